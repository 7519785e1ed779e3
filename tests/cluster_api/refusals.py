"""What the server answers where it cannot do what it is asked: objects of kind Status."""

from __future__ import annotations

from typing import Any

from tests.cluster_api.kinds import Kind


class RefusedError(Exception):
    """A Status of failure, with its HTTP code."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details or {},
            "code": code,
        }


def details(kind: Kind, name: str = "") -> dict[str, Any]:
    """The object that a Status is about."""
    told = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in told.items() if value}


def not_found(kind: Kind, name: str) -> RefusedError:
    """There is no such object."""
    return RefusedError(404, "NotFound", f'{kind.qualified} "{name}" not found', details(kind, name))


def exists(kind: Kind, name: str) -> RefusedError:
    """There is one of that name."""
    return RefusedError(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', details(kind, name))


def conflict(kind: Kind, name: str, problem: str) -> RefusedError:
    """Somebody else changed it in between, or it is another one."""
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {problem}'
    return RefusedError(409, "Conflict", message, details(kind, name))


def expired(asked: int, oldest: int) -> RefusedError:
    """What happened after that version is forgotten."""
    return RefusedError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def bad_request(message: str) -> RefusedError:
    """The request makes no sense."""
    return RefusedError(400, "BadRequest", message)


def invalid(kind: Kind, name: str, problem: str) -> RefusedError:
    """The object is not what its schema says."""
    return RefusedError(422, "Invalid", f'{kind.kind}.{kind.group} "{name}" is invalid: {problem}', details(kind, name))


def forbidden(user: str, verb: str, kind: Kind, subresource: str, namespace: str, name: str) -> RefusedError:
    """No rule of access allows it."""
    what = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{kind.qualified} "{name}"' if name else kind.qualified
    message = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{what}" in API group "{kind.group}" {where}'
    )
    return RefusedError(403, "Forbidden", message, details(kind, name))
