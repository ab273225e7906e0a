"""A bound model stays an ordinary model of transformers, and what runs it is steered."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import GenerationConfig, pipeline

import tiny
from langsteer.edits.edit import Edit
from langsteer.edits.maps.shift import Shift
from langsteer.engines.transformers.model import Model

EDIT = Edit({1: Shift(3 * torch.ones(tiny.WIDTH))})


def test_a_pipeline_is_steered_inside_the_block_and_not_outside() -> None:
    with Model(tiny.make("llama"), tiny.tokenizer()) as model:
        ask = pipeline("text-generation", model=model.hf, tokenizer=model.tokenizer)

        def said() -> str:
            found = ask("ab cd", max_new_tokens=8, do_sample=False, return_full_text=False)
            return str(found[0]["generated_text"])

        plain = said()
        assert plain == model.generate("ab cd", max_new_tokens=8)
        with model.steered(EDIT):
            steered = said()
        assert steered == model.generate("ab cd", EDIT, max_new_tokens=8) != plain
        assert said() == plain


def test_continuous_batching_of_transformers_runs_unsteered() -> None:
    with Model(tiny.make("llama"), tiny.tokenizer()) as model:
        prompts = [[1, 2, 3], [4, 5]]
        options = GenerationConfig(
            max_new_tokens=4, do_sample=False, eos_token_id=tiny.EOS, pad_token_id=tiny.PAD
        )
        found = model.hf.generate_batch(inputs=prompts, generation_config=options)
        tokens = [one.generated_tokens for one in found.values()]
        for prompt, new in zip(prompts, tokens, strict=True):
            alone = model.hf.generate(torch.tensor([prompt]), generation_config=options)
            assert alone[0, len(prompt) :].tolist()[: len(new)] == new


def test_an_adapter_around_the_model_is_steered_with_it() -> None:
    hf = get_peft_model(tiny.make("llama"), LoraConfig(r=2, target_modules=["q_proj"]))
    with Model(hf, tiny.tokenizer()) as model:
        ids = torch.tensor([[1, 2, 3]])
        with torch.no_grad():
            plain = hf(input_ids=ids).logits
            with model.steered(EDIT):
                steered = hf(input_ids=ids).logits
            assert torch.equal(hf(input_ids=ids).logits, plain)
        assert (steered - plain).abs().max() > 0.1
