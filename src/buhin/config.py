"""Every setting of the house. Each is an environment variable with the prefix ``BUHIN_``, typed and bounded here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from buhin import paths

PORTS = {"speech": 50051, "summarize": 50052, "translate": 50053, "image_inspect": 50054}
"""The port of each function; its health port is 100 above."""


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/buhin``, or ``~/.cache/buhin``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "buhin"


class Settings(BaseSettings):
    """Settings of every program of the house."""

    model_config = SettingsConfigDict(env_prefix="BUHIN_", extra="ignore", env_ignore_empty=True)

    models_dir: Path = Field(default_factory=lambda: default_cache() / "models")
    """The model store."""
    manifest: Path = Field(default_factory=lambda: paths.data("models/manifest.yaml"))
    """The manifest of models: ids, files, digests, sources."""
    offline: bool = False
    """Forbid every fetch of a model. Nothing else is ever fetched."""
    otlp_endpoint: str = ""
    """Where traces are sent, for example ``http://localhost:4317``; empty: nowhere."""


class ClientSettings(Settings):
    """Where the services are, and how long a call may take."""

    speech_address: str = f"localhost:{PORTS['speech']}"
    """Address of the speech service."""
    summarize_address: str = f"localhost:{PORTS['summarize']}"
    """Address of the summarize service."""
    translate_address: str = f"localhost:{PORTS['translate']}"
    """Address of the translate service."""
    image_inspect_address: str = f"localhost:{PORTS['image_inspect']}"
    """Address of the image_inspect service."""
    release: str = "buhin"
    """Helm release of the services that addresses such as ``buhin://speech`` mean."""
    namespace: str = ""
    """Namespace of the services that ``buhin://speech`` means, where the address names none; unset: the program's own
    in a cluster, else ``default``."""
    timeout_s: float = Field(default=600, gt=0, le=86_400)
    """Deadline of a call when the caller gives none."""
    priority: Literal["interactive", "batch"] = "interactive"
    """How urgent calls are. Where both kinds wait, ``batch`` gets an eighth of the time; pipelines ask for it."""
    token: SecretStr | None = None
    """Token that services ask for. Give it in the environment; it is never logged."""
    token_file: Path | None = None
    """File with the token, read at every call, so that it can be replaced."""
    tls_ca: Path | None = None
    """Certificates that sign those of the services, PEM. With it, or with ``tls``, connections are encrypted."""
    tls: bool = False
    """Encrypt connections, by the certificates that gRPC trusts where ``tls_ca`` names none."""
    client_certificate: Path | None = None
    """The caller's certificate, PEM, for services that ask for one."""
    client_key: Path | None = None
    """The key of the caller's certificate, PEM."""
    state_dir: Path = Field(default=Path(".buhin"))
    """Where pipelines keep their state: an SQLite database and the results of finished steps."""
    database_url: SecretStr | None = None
    """PostgreSQL that workers on a cluster share, ``postgresql+psycopg://user:password@host/database``; unset: SQLite
    in ``state_dir``, for one worker. It is never logged."""

    def address(self, function: str) -> str:
        """The address of a function's service."""
        return str(getattr(self, f"{function}_address"))

    def given_address(self, function: str) -> str:
        """The address of a function's service where somebody set it; else empty."""
        name = f"{function}_address"
        return str(getattr(self, name)) if name in self.model_fields_set else ""


class BundleSettings(Settings):
    """Settings of `buhin bundle`."""

    bundle_passphrase: SecretStr | None = None
    """Protects the private key that signs bundles: for its making and its use."""
    registry_username: str = ""
    """Who pushes images; empty: what ``config.json`` in ``DOCKER_CONFIG`` or ``~/.docker`` says of the registry."""
    registry_password: SecretStr | None = None
    """The password, or token, of who pushes images. Give it in the environment; it is never logged."""
    registry_ca: Path | None = None
    """Certificates that sign that of the registry, PEM; unset: those that the system trusts."""


class ServerSettings(Settings):
    """Settings of every service."""

    host: str = "127.0.0.1"
    """Address to listen on. Where others than this machine can reach it, callers must be known: see ``policy``."""
    port: int | None = Field(default=None, ge=0, le=65_535)
    """Port to listen on; unset: the port of the function; 0: any free port."""
    health_port: int | None = Field(default=None, ge=0, le=65_535)
    """Port of health checks; unset: 100 above the port; 0, or 0 as the port: any free port."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Port of the metrics for Prometheus; unset: 200 above the port; 0, or 0 as the port: any free port."""
    concurrency: int = Field(default=1, ge=1, le=64)
    """Requests worked on at the same time."""
    queue_size: int = Field(default=32, ge=0, le=10_000)
    """Requests that may wait; one more is answered RESOURCE_EXHAUSTED at once."""
    max_queued_work: float = Field(default=1e6, gt=0)
    """Work of all requests that wait: characters, seconds of audio or pixels. One that waits alone may be larger."""
    max_call_s: float = Field(default=3_600, gt=0, le=86_400)
    """Seconds for a call whose caller gives no deadline."""
    isolate_engine: bool = True
    """Run the engine in a process of its own: where that crashes, it is replaced and the service lives on."""
    stuck_s: float = Field(default=300, gt=0, le=3_600)
    """Seconds for work to end after its caller left, and for a new engine's warm-up and acceptance calls; then the
    engine's process is ended."""
    max_streams: int = Field(default=16, ge=1, le=10_000)
    """Streams that callers may hold open at the same time; one more is answered RESOURCE_EXHAUSTED at once."""
    max_streams_per_caller: int | None = Field(default=None, ge=1, le=10_000)
    """Of these, streams of one caller; unset: half of them with a policy, else all."""
    stream_idle_s: float = Field(default=60, gt=0, le=3_600)
    """Seconds without a message from the caller, or without the caller taking one, after which a stream is ended."""
    connection_age_s: float = Field(default=300, gt=0, le=86_400)
    """Seconds after which a caller's connection is to be made anew, a tenth more or less, so that callers find new
    replicas. Calls and streams that are open go on to their end on the old one."""
    drain_s: float = Field(default=30, ge=0, le=3_600)
    """Seconds for work in flight to finish after SIGTERM."""
    threads: int = Field(default_factory=lambda: min(4, os.cpu_count() or 1), ge=1, le=256)
    """Threads of the engine's inference."""
    max_message_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=1024**3)
    """Largest request message."""
    policy: Path | None = None
    """The policy: who may call, what and how much. Without one every caller is let in, which is for loopback only."""
    tls_certificate: Path | None = None
    """The service's certificate and those that sign it, PEM. With ``tls_key`` the service speaks TLS only. Read anew
    when the file changes."""
    tls_key: Path | None = None
    """The key of the certificate, PEM."""
    tls_client_ca: Path | None = None
    """Certificates that sign those of callers, PEM; with it a caller without one is refused (mutual TLS)."""
    glossary_dir: Path | None = None
    """Folder of shared glossaries: ``<id>.tsv``, a column a language, the codes of the languages in the first line."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least serious events that are logged."""


class SpeechSettings(ServerSettings):
    """Settings of the speech service."""

    concurrency: int = Field(default=2, ge=1, le=64)
    """Requests worked on at the same time: decoding leaves cores idle, which a second one uses."""
    speech_model: str = "whisper-base"
    """Model of the manifest that recognizes."""
    speech_beam_size: int = Field(default=5, ge=1, le=20)
    """Hypotheses kept while decoding."""
    speech_batch_size: int = Field(default=4, ge=1, le=64)
    """Windows of a recording decoded together: more is faster on a GPU or on many cores, and a caller who leaves is
    noticed later."""
    speaker_model: str = "resemblyzer"
    """Model of the manifest that tells speakers apart; loaded when it is first asked for."""
    max_queued_work: float = Field(default=28_800, gt=0)
    """Seconds of audio of all requests that wait. One that waits alone may be longer."""
    max_audio_seconds: float = Field(default=14_400, gt=0, le=86_400)
    """Longest audio of one request."""
    max_upload_bytes: int = Field(default=1024**3, ge=1024, le=64 * 1024**3)
    """Largest recording that may be streamed, in mode FILE; it lies in a temporary file while it is recognized."""


class TextSettings(ServerSettings):
    """Settings of the two language services."""

    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests worked on at the same time; the engine batches them."""
    text_engine: Literal["llama.cpp", "transformers", "openai"] = "llama.cpp"
    """What runs the model that writes: ``llama.cpp`` (GGUF) or ``transformers`` (safetensors) in this process, or a
    server with OpenAI's interface, such as vLLM or llama-server."""
    text_model: str = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    """Model that writes: of the manifest or, with the engine ``openai``, of the server, as it calls it."""
    embedding_model: str = "use-multilingual-v3"
    """Model of the manifest that compares sentences."""
    text_context_tokens: int = Field(default=16_384, ge=1_024, le=131_072)
    """Context of the writing model, shared by the batch; the context of a server that says its own goes before it."""
    text_batch_size: int | None = Field(default=None, ge=1, le=256)
    """Texts that the writing model works on together; unset: ``concurrency``. More is more throughput and memory."""
    text_batch_window_ms: float = Field(default=5, ge=0, le=1_000)
    """Milliseconds that a text waits for others to share its batch, with ``transformers``: latency for throughput."""
    text_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where a model in this process runs; ``auto``: on a GPU where there is one that the installed library can use."""
    text_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that ``transformers`` computes with; ``auto``: float32 on a CPU, those of the model's files on a GPU."""
    openai_url: str = Field(default="http://127.0.0.1:8000/v1", pattern=r"^https?://[^/@\s]+(/[^\s?#]*)?$")
    """Base of the server's interface, to which ``/chat/completions`` is added."""
    openai_api_key: SecretStr | None = None
    """Key that the server asks for. Give it in the environment; it is never logged."""
    openai_timeout_s: float = Field(default=120, gt=0, le=3_600)
    """Seconds without a byte from the server after which a request fails."""
    openai_wait_s: float = Field(default=60, ge=0, le=3_600)
    """Seconds to wait, at the start, for a server that does not answer yet."""
    openai_extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request, as JSON: ``{"chat_template_kwargs": {"enable_thinking": false}}``."""
    max_characters: int = Field(default=50_000, ge=1, le=1_000_000)
    """Most characters of one request."""

    @property
    def slots(self) -> int:
        """Texts that the writing model works on together."""
        return self.text_batch_size or self.concurrency


class ImageSettings(ServerSettings):
    """Settings of the image inspection service."""

    max_queued_work: float = Field(default=1e9, gt=0)
    """Pixels of all photographs that wait. One that waits alone may be larger."""
    max_pixels: int = Field(default=100_000_000, ge=1, le=500_000_000)
    """Most pixels of one photograph, read from its header before it is decoded."""
    max_side_px: int = Field(default=20_000, ge=1, le=100_000)
    """Longest side of one photograph."""
    image_engine: Literal["network", "ridge"] = "network"
    """What finds cracks: the trained network, or the classical filter, which needs no model."""
    image_model: str = "crack-segmentation"
    """Model of the manifest that the network is."""
    image_batch_size: int = Field(default=2, ge=1, le=64)
    """Tiles that the network works on together, of all photographs that are inspected."""
    image_batch_window_ms: float = Field(default=0, ge=0, le=1_000)
    """Milliseconds that a batch which is not full waits for tiles of other photographs: latency for throughput."""
    severity_rules_dir: Path | None = None
    """Folder of further rule sets of severity, ``<id>.yaml``; one with the name of a set of the house replaces it."""
