"""Plan, why, simulate, audit, repair: every email explains itself."""
