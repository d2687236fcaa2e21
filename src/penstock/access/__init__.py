"""Accounts, users, access keys, and the secrets that guard them."""
