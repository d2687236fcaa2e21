"""Access keys of runners on resources: made for one try, and gone with its machine."""

import base64
import hashlib

from penstock.access.identity import Credential, Directory
from penstock.store.identity import AlreadyExists, UserRecord

USER_NAME = "resources"
"""The user of each account whose keys these are."""

_PREFIX = "PRES"


class RunnerKeys:
    """Makes and removes the keys of runners. May be called from any thread."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def grant(self, account_id: str, token: str) -> Credential:
        """The key of a try, made when it is first asked for; `token` names the try.

        Its id follows from the token, so whichever server asks again, there is one key.
        """
        key_id = key_id_of(token)
        return self._directory.lookup(key_id) or self._directory.create_key(
            self._user(account_id), key_id
        )

    def revoke(self, token: str) -> None:
        """Remove the key of a try. It is not kept as revoked: there may be one for every hour."""
        self._directory.remove_key(key_id_of(token))

    def _user(self, account_id: str) -> UserRecord:
        for user in self._directory.users():
            if (user.account_id, user.user_name) == (account_id, USER_NAME):
                return user
        try:
            return self._directory.create_user(account_id, USER_NAME)
        except AlreadyExists:
            # Another resource of the account began in the same moment.
            return self._user(account_id)


def key_id_of(token: str) -> str:
    """The id of a try's key: it tells nothing of the token."""
    digest = hashlib.sha256(token.encode()).digest()
    return _PREFIX + base64.b32encode(digest).decode()[:16]
