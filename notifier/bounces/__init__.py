"""Understand what comes back to a sender of email: bounces, complaints, automatic answers. Bytes in, values out."""
