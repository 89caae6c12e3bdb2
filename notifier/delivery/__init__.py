"""How an owed mail becomes a sent one."""
