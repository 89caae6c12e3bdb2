"""The listener: a mail server that accepts what comes back to our return paths, by LMTP or SMTP, and sends nothing."""
