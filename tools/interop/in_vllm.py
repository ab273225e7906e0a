"""Runs in the environment of vLLM: what a checkpoint, with or without adapters, says.

    python in_vllm.py TOLD.json OUT.json

TOLD: `{"model": FOLDER, "prompt": […], "steps": N, "adapters": [FOLDER or null, …]}`. All requests
share one batch. OUT: for each adapter the tokens and `{token: log-probability}` at each step.
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    adapters = told["adapters"]
    lora = any(adapters)
    # On a CPU, rows without an adapter take the last one if all places are full: one stays free.
    options = {"enable_lora": True, "max_loras": len(adapters) + 1, "max_lora_rank": 8}
    llm = LLM(
        told["model"],
        dtype="float32",
        enforce_eager=True,
        max_model_len=128,
        max_logprobs=-1,
        block_size=32,
        **(options if lora else {}),
    )
    requests = [
        LoRARequest(f"a{number}", number + 1, folder) if folder else None
        for number, folder in enumerate(adapters)
    ]
    params = SamplingParams(
        temperature=0, max_tokens=told["steps"], logprobs=-1, ignore_eos=True, detokenize=False
    )
    prompts = [{"prompt_token_ids": told["prompt"]}] * len(adapters)
    found = llm.generate(prompts, params, lora_request=requests if lora else None)
    said = [
        {
            "tokens": list(one.outputs[0].token_ids),
            "scores": [
                {token: value.logprob for token, value in step.items()}
                for step in one.outputs[0].logprobs
            ],
        }
        for one in found
    ]
    Path(sys.argv[2]).write_text(json.dumps(said))


if __name__ == "__main__":
    main()
