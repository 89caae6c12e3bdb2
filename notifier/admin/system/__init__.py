"""Dashboard, health, queues, jobs, failures and the audit log."""
