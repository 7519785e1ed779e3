"""The policy: one YAML file that says who may call what, and how much of it. docs/security.md shows one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from buhin.serving.auth.identity import Caller

MAX_BYTES = 4 * 1024 * 1024
ANY = "*"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]


class PolicyError(ValueError):
    """A policy that cannot be used; the text says where and why."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Issuer(_Model):
    """Who may issue tokens."""

    issuer: str = Field(min_length=1, max_length=500)
    audience: str = Field(min_length=1, max_length=500)
    jwks: str = Field(min_length=1, max_length=500)
    """Its public keys (RFC 7517): a file beside the policy, or a URL."""
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...] = ("RS256", "ES256")
    """Asymmetric ones only: a key that verifies must not be able to sign."""
    scope: str = ""
    """What a token must have in ``scope`` or ``scp``; ``{function}`` stands for the service."""

    @model_validator(mode="after")
    def _safe_url(self) -> Issuer:
        if "://" in self.jwks and not self.jwks.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("jwks must be a file, an https URL, or an http URL on loopback")
        return self


class Rule(_Model):
    """What a caller may do with a service. Units are those of its work: characters, seconds of audio, pixels."""

    service: str = Field(pattern=r"^([a-z][a-z0-9_]*|\*)$")
    methods: tuple[str, ...] = (ANY,)
    requests_per_minute: float | None = Field(default=None, gt=0)
    requests_per_day: float | None = Field(default=None, gt=0)
    units_per_minute: float | None = Field(default=None, gt=0)
    units_per_day: float | None = Field(default=None, gt=0)


class Entry(_Model):
    """A caller: by the ``sub`` of its token, or by a name in its certificate."""

    name: Name
    group: str = Field(default="caller", pattern=r"^[a-z][a-z_]{0,31}$")
    subject: str = ""
    issuer: str = ""
    certificate: str = ""
    priority: Literal["interactive", "batch"] = "interactive"
    allow: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_identity(self) -> Entry:
        if bool(self.subject) == bool(self.certificate):
            raise ValueError("give either subject or certificate")
        return self

    @property
    def caller(self) -> Caller:
        """Who it is while it calls."""
        return Caller(self.name, self.group, batch_only=self.priority == "batch")


class Policy(_Model):
    """Issuers and callers."""

    issuers: tuple[Issuer, ...] = ()
    callers: tuple[Entry, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a file. Raises PolicyError."""
        try:
            with path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            if len(text) > MAX_BYTES:
                raise PolicyError(f"{path}: more than {MAX_BYTES} bytes")
            return cls.model_validate(yaml.safe_load(text) or {})
        except OSError as error:
            raise PolicyError(f"{path} cannot be read: {error.strerror}") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise PolicyError(f"{path}{line}: no YAML") from error
        except ValidationError as error:
            found = [
                f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in error.errors(include_input=False)
            ]
            raise PolicyError(f"{path}: {'; '.join(found[:5])}") from error

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        known = {issuer.issuer for issuer in self.issuers}
        for what, count in Counter(
            [f"issuer {issuer.issuer}" for issuer in self.issuers]
            + [f"caller {entry.name}" for entry in self.callers]
            + [f"certificate {entry.certificate}" for entry in self.callers if entry.certificate]
            + [f"subject {entry.subject} of {self._issuer(entry)}" for entry in self.callers if entry.subject]
        ).items():
            if count > 1:
                raise ValueError(f"{what} stands {count} times")
        for entry in self.callers:
            if entry.subject and self._issuer(entry) not in known:
                raise ValueError(f"caller {entry.name}: name its issuer, one of {', '.join(sorted(known)) or 'none'}")
        return self

    def _issuer(self, entry: Entry) -> str:
        return entry.issuer or (self.issuers[0].issuer if len(self.issuers) == 1 else "")

    def of_certificate(self, names: tuple[str, ...]) -> Caller | None:
        """The caller with one of these names."""
        return next((entry.caller for entry in self.callers if entry.certificate and entry.certificate in names), None)

    def of_token(self, issuer: str, subject: str) -> Caller | None:
        """The caller with this subject."""
        found = (e.caller for e in self.callers if e.subject == subject and e.subject and self._issuer(e) == issuer)
        return next(found, None)

    def rule(self, caller: str, function: str, method: str) -> Rule | None:
        """The first rule that allows it."""
        rules = (rule for entry in self.callers if entry.name == caller for rule in entry.allow)
        return next(
            (r for r in rules if r.service in (ANY, function) and (ANY in r.methods or method in r.methods)), None
        )
