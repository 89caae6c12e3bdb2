"""A mailbox on an IMAP server (RFC 3501): read by UID, in bounded parts, and emptied without harm to other clients."""
