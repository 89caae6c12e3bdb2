"""Campaigns: due slots become runs, runs become notifications. People edit, pause, resume and cancel them."""
