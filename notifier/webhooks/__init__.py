"""Webhooks of ours: other applications are told what happened, by Standard Webhooks 1.0, and read what they missed.

`publishing` turns what transactions wrote down into the events of the feed, `calling` sends them to endpoints, and
`endpoints` manages those. Nothing here runs on the path of an email.
"""
