"""Real servers for a test, each a child process with its own port and folder, such as Postgres or Dovecot."""
