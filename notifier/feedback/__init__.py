"""What comes back becomes rows and consequences: whose it is, what follows from it, and when sending must pause."""
