"""A plug-in for vLLM: each request in its own language.

    LANGSTEER_SPACE=space.safetensors vllm serve MODEL

A request says `"vllm_xargs": {"langsteer_language": "de", "langsteer_source": "en"}`, or in Python
`SamplingParams(extra_args={…})`. Without it nothing is steered. The edit is a row of a table in the
compiled graph, so rows of one batch have different ones.
"""

from langsteer.vllm.seams import register

__all__ = ["register"]
