"""Delivery: from a due row in the ledger to a sent email."""
