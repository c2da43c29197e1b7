"""A finished folder of pairs onto the Hub. The token is read from the environment, and written nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from summpo.errors import UserError, require_field
from summpo.files.hub_or_folder import HUB_ID

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""The variables that may hold the token, the first that does is taken."""


def hub_token(repository: str) -> str:
    """The token to upload with; looked for before anything is asked of a teacher.

    Raises:
        FieldError: `repository` is no Hub id, or no variable holds a token.
    """
    require_field(
        "push_to_hub",
        HUB_ID.fullmatch(repository) is not None,
        f"push_to_hub must be a Hub id (owner/name), got {repository}",
    )
    token = next((value for name in TOKENS if (value := os.environ.get(name, "").strip())), "")
    require_field("push_to_hub", bool(token), f"push_to_hub={repository} needs a token in the variable {TOKENS[0]}")
    return token


def push_to_hub(folder: Path, repository: str, files: Iterable[str], private: bool = True) -> str:
    """Uploads these files of a folder in one commit, and returns the address of the data set.

    Args:
        repository: owner/name; made where there is none.
        files: names inside the folder: the splits, the card, the picture. Nothing else leaves this machine.

    Raises:
        FieldError: as `hub_token`.
        UserError: the Hub cannot be reached or refuses, in its words; what it said holds no token.
    """
    token = hub_token(repository)
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        made = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=sorted(files),
            commit_message="Preference pairs made by summpo",
        )
    except Exception as error:  # the library's and the network's errors share no narrower class
        why = " ".join(str(error).split()).replace(token, "***") or type(error).__name__
        raise UserError(f"{folder} cannot be uploaded to {repository}: {why}; it lies there whole") from None
    return f"https://huggingface.co/datasets/{made.repo_id}"
