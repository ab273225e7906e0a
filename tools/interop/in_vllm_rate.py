"""Runs in the environment of vLLM with the plug-in: tokens a second with edits and without.

    LANGSTEER_SPACE=… python in_vllm_rate.py MODEL SOURCE TARGET

32 requests at a time, an edit for each or none, by turns in one process; prints the median ratio.
"""

import statistics
import sys
import time

from vllm import LLM, SamplingParams

ROWS, TOKENS, ROUNDS = 32, 24, 7


def main() -> None:
    model, source, target = sys.argv[1:]
    llm = LLM(model, dtype="float32", max_model_len=256, block_size=32, enable_prefix_caching=False)
    prompts = [{"prompt_token_ids": list(range(100 + row, 116 + row))} for row in range(ROWS)]
    own = {"langsteer_source": source, "langsteer_language": target}

    def rate(extra: dict[str, str] | None) -> float:
        params = SamplingParams(temperature=0, max_tokens=TOKENS, ignore_eos=True, extra_args=extra)
        began = time.perf_counter()
        found = llm.generate(prompts, params, use_tqdm=False)
        written = sum(len(one.outputs[0].token_ids) for one in found)
        return written / (time.perf_counter() - began)

    rate(own), rate(None)
    pairs = [(rate(own), rate(None)) for _ in range(ROUNDS)]
    ratio = statistics.median(one / other for one, other in pairs)
    best = max(one for one, _ in pairs), max(other for _, other in pairs)
    print(
        f"with an edit for each request / without: {ratio:.3f} (best {best[0]:.0f}, {best[1]:.0f})"
    )


if __name__ == "__main__":
    main()
