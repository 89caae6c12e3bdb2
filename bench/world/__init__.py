"""A scripted world: people of several providers, some of whom bounce or complain, while a campaign is sent."""
