"""Where an adapter lies: a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from xlmerge.checkpoint.folder import CONFIG, FILES, HEAD_CONFIG
from xlmerge.checkpoint.folder_hints import similar_name
from xlmerge.errors import CheckpointError, HubError

__all__ = ["Located", "locate"]

_WORD = r"[A-Za-z0-9][\w.-]*"
_HUB_ID = re.compile(
    rf"(?P<repo>{_WORD}/{_WORD})(?P<sub>(?:/{_WORD})*)(?:@(?P<revision>[\w./-]+))?", re.ASCII
)
_WANTED = [CONFIG, HEAD_CONFIG, "README.md", "xlmerge.json", *FILES.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A reference that was followed.

    Attributes:
        path: The folder on this machine.
        commit: Commit of the hub repository; None for a folder.
    """

    path: Path
    commit: str | None = None


def locate(reference: str, start: Path, *, commit: str | None = None) -> Located:
    """Find an adapter.

    Args:
        reference: A folder, or ``owner/name`` with an optional sub-folder and ``@revision``. What
            exists as a folder is a folder.
        start: What relative folders start from.
        commit: The commit that an earlier run got for this reference; taken instead of the newest.

    Raises:
        CheckpointError: It is a folder's path, and there is none.
        HubError: The hub cannot be reached, or has no such repository or revision.
    """
    try:
        path = (start / Path(reference).expanduser()).absolute()
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a null byte
        raise CheckpointError(f"{reference!r}: no path: {error}") from error
    if exists:
        return Located(path=path)
    match = _HUB_ID.fullmatch(reference)
    if match is None:
        raise CheckpointError(
            f"{reference}: no such folder (looked for {path})",
            hint=_similar(path)
            or "give a folder, or a hub id such as AdapterHub/xlm-roberta-base-en-wiki_pfeiffer",
        )
    return _download(match, reference, path, commit)


def _similar(path: Path) -> str | None:
    """A question that names the folder that was perhaps meant."""
    name = similar_name(path)
    return None if name is None else f"did you mean {name}?"


def _download(match: re.Match[str], reference: str, path: Path, commit: str | None) -> Located:
    """Fetch the adapter's files through the hub's own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repo, sub, revision = match["repo"], match["sub"].strip("/"), commit or match["revision"]
    wanted = [f"{sub}/{name}" for name in _WANTED] if sub else _WANTED
    try:
        snapshot = Path(snapshot_download(repo, revision=revision, allow_patterns=wanted))
    except GatedRepoError as error:
        raise HubError(
            f"{repo}: the repository is gated",
            hint="accept its terms on the hub, then `hf auth login`",
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"{reference}: neither a folder ({path}) nor a repository of the hub",
            hint=_similar(path)
            or "check the spelling; for a private repository, `hf auth login` first",
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{repo} has no revision {revision!r}",
            hint="name another after the `@`, or run with --update if this one was remembered",
        ) from error
    except Exception as error:  # whatever lies beneath the hub's client, which changes with it
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise HubError(
            f"{reference}: no folder ({path}), and the hub cannot be reached or has not got it in "
            f"its cache: {reason}",
            hint=_similar(path)
            or f"with a network: `hf download {repo}`; then it is found in the cache, also offline",
        ) from error
    folder = snapshot / sub
    if not folder.is_dir():
        raise HubError(
            f"{reference}: the repository has no adapter files"
            + (f" in the folder {sub}" if sub else ""),
            hint=f"look at https://huggingface.co/{repo}/tree/{revision or 'main'}",
        )
    return Located(path=folder, commit=snapshot.name)
