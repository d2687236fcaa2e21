"""Who calls: the identity that an access key stands for."""

from msgspec import Struct


class Caller(Struct, frozen=True):
    """An authenticated user of an account.

    `account_id` has twelve digits; `user_id` looks like `AIDA…`, as clients know it from `@userId`.
    """

    account_id: str
    user_id: str
    user_name: str
    access_key_id: str

    @property
    def arn(self) -> str:
        """The user's name as access messages spell it."""
        return f"arn:aws:iam::{self.account_id}:user/{self.user_name}"
