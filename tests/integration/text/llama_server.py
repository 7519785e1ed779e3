"""llama-server as a process of its own: ``python -m tests.integration.text.llama_server MODEL NAME KEY``.

The server of llama.cpp as xllamacpp builds it, which runs on every processor of its platform. Prints its address and
ends when its input does.
"""

from __future__ import annotations

import sys

import xllamacpp

CONTEXT, SLOTS = 2048, 2


def main(model: str, name: str, key: str) -> None:
    """Serve the model under the name to whoever has the key."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.n_ctx, params.n_parallel = CONTEXT, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.endpoint_slots = True
    params.offline = True
    params.ui = False
    params.api_keys = [key]
    server = xllamacpp.Server(params)
    sys.stdout.write(f"address {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
