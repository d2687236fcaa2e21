"""Penstock: a self-hosted service that speaks the AWS Data Pipeline API and does what it describes."""

__version__ = "0.1.0"
