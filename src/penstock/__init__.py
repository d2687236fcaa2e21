"""Penstock: a self-hosted service that speaks the AWS Data Pipeline API and runs it."""

__version__ = "0.1.0"
