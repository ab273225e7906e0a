"""Runs in the environment of vLLM with the plug-in: a mixed batch, each request its own language.

    LANGSTEER_SPACE=… python in_vllm_plugin.py TOLD.json OUT.json

TOLD: `{"model": FOLDER, "requests": [{"prompt": […], "extra": {…} or null}, …], "steps": N,
"options": {…}}`. The requests run twice, so that the second time what is cached of prompts is used.
OUT: for each request of both runs the tokens and `{token: log-probability}` at each step, and what
was said of a language that is not there.
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams
from vllm.exceptions import VLLMValidationError


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    llm = LLM(
        told["model"], dtype="float32", max_model_len=160, max_logprobs=-1, block_size=32,
        enable_prefix_caching=True, **told["options"],
    )  # fmt: skip
    prompts = [{"prompt_token_ids": one["prompt"]} for one in told["requests"]]
    params = [
        SamplingParams(
            temperature=0, max_tokens=told["steps"], logprobs=-1, ignore_eos=True,
            detokenize=False, extra_args=one["extra"],
        )
        for one in told["requests"]
    ]  # fmt: skip
    runs = []
    for _ in range(2):
        found = llm.generate(prompts, params)
        runs.append(
            [
                {
                    "tokens": list(one.outputs[0].token_ids),
                    "scores": [
                        {token: value.logprob for token, value in step.items()}
                        for step in one.outputs[0].logprobs
                    ],
                }
                for one in found
            ]
        )
    refused = []
    for extra in ({"langsteer_language": "xx"}, {"langsteer_languge": "de"}):
        try:
            llm.generate(prompts[:1], SamplingParams(max_tokens=1, extra_args=extra))
            refused.append("")
        except VLLMValidationError as error:
            refused.append(str(error))
    Path(sys.argv[2]).write_text(json.dumps({"runs": runs, "refused": refused}))


if __name__ == "__main__":
    main()
