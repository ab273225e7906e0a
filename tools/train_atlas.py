"""Train the model of the atlas from nothing, on two CPU cores, and write it as a Hugging Face
folder.

Seeded. Prints the learning curve: the share of answers that the model would write token for token,
per family. Takes about an hour.

    python tools/train_atlas.py --output src/langsteer/demo/model
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from atlas.writer import FAMILIES, Writer
from langsteer.demo.documents import Document

SEED = 12
VOCABULARY = 4096
TOKENIZER_DOCUMENTS = 60_000
MAX_TOKEN_BYTES = 18
POOL = 1024
"""Documents that are sorted by length together before they are cut into batches."""
WEIGHTS = (0.40, 0.22, 0.18, 0.20)
"""How often each family of FAMILIES is drawn."""
PROMPT_SHARE = 0.1
"""Share of the prompt's tokens that take part in the loss; answers and example answers always
do.
"""
EXAMPLE_ANSWER = re.compile(r': "([^"\n]+"\n)')
# Words with their combining marks stay whole: without \p{M} every Devanagari vowel sign would be
# cut off.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"


def train_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on the same text as the model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    documents = islice(Writer(None, SEED).stream(WEIGHTS), TOKENIZER_DOCUMENTS)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    tokenizer.train_from_iterator((one.prompt + one.answer for one in documents), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def new_model(tokenizer: PreTrainedTokenizerFast, layers: int, width: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=512,
        num_hidden_layers=layers,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=256,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


@dataclass
class Encoded:
    """One document as token ids, and which of them are answers."""

    ids: list[int]
    answer: list[bool]


def encode(tokenizer: PreTrainedTokenizerFast, document: Document) -> Encoded:
    text = document.prompt + document.answer
    spans = [(len(document.prompt), len(text) + 1)]
    if document.family == "translation":
        spans += [match.span(1) for match in EXAMPLE_ANSWER.finditer(document.prompt)]
    encoding = tokenizer(text, return_offsets_mapping=True)
    answer = [
        any(first <= start and end <= last for first, last in spans) and end > start
        for start, end in encoding["offset_mapping"]
    ]
    return Encoded(encoding["input_ids"] + [tokenizer.eos_token_id], [*answer, True])


def batches(tokenizer: PreTrainedTokenizerFast, tokens: int, seed: int) -> Iterator[list[Encoded]]:
    """Batches of about ``tokens`` tokens; documents of similar length share a batch."""
    writer = Writer(None, seed)
    stream = writer.stream(WEIGHTS)
    while True:
        pool = sorted(
            (encode(tokenizer, document) for document in islice(stream, POOL)),
            key=lambda one: len(one.ids),
        )
        cut: list[list[Encoded]] = [[]]
        for one in pool:
            if cut[-1] and (len(cut[-1]) + 1) * len(one.ids) > tokens:
                cut.append([])
            cut[-1].append(one)
        writer.random.shuffle(cut)
        yield from cut


def collate(batch: list[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(one.ids) for one in batch)
    ids = torch.full((len(batch), width), pad)
    answer = torch.zeros(len(batch), width, dtype=torch.bool)
    for row, one in enumerate(batch):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        answer[row, : len(one.ids)] = torch.tensor(one.answer)
    return ids, answer


def loss(model: LlamaForCausalLM, ids: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    # Padding stands on the right: no causal position before it sees it, so no mask is needed.
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    targets = ids[:, 1:]
    chosen = answer[:, 1:] | (torch.rand(targets.shape) < PROMPT_SHARE)
    chosen &= targets != model.config.pad_token_id
    logits = model.lm_head(hidden[chosen])
    return torch.nn.functional.cross_entropy(logits, targets[chosen])


@torch.inference_mode()
def accuracy(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, documents: list[Document]
) -> float:
    """The share of documents whose whole answer is the most likely one, token by token."""
    right = 0
    for start in range(0, len(documents), 100):
        batch = [encode(tokenizer, one) for one in documents[start : start + 100]]
        ids, answer = collate(batch, tokenizer.pad_token_id)
        guesses = model(input_ids=ids[:, :-1], use_cache=False).logits.argmax(-1)
        # After a translation there may be an end or another line: only the word itself is judged.
        words = ids[:, 1:] != tokenizer.eos_token_id
        wrong = (guesses != ids[:, 1:]) & answer[:, 1:] & words
        right += int((~wrong.any(1)).sum())
    return right / len(documents)


def optimizers(model: LlamaForCausalLM, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    blocks = [p for p in model.model.layers.parameters() if p.ndim == 2]
    known = {id(p) for p in blocks}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(blocks, lr=rate, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(rest, lr=rate / 5, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def schedule(step: int, steps: int) -> float:
    """Warm-up over 100 steps, constant, and a linear way down to 2 % over the last 40 %."""
    return min(1.0, (step + 1) / 100, max(0.02, (steps - step) / (0.4 * steps)))


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer()
    model = new_model(tokenizer, options.layers, options.width)
    probe = {
        family: list(
            islice(Writer(None, SEED + 1).stream([float(family == o) for o in FAMILIES]), 200)
        )
        for family in FAMILIES
    }
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    print("step  seconds  loss  " + "  ".join(FAMILIES), flush=True)
    stream = batches(tokenizer, options.tokens, SEED + 2)
    steppers = optimizers(model, options.rate)
    began, average = time.monotonic(), 0.0
    for step in range(options.steps):
        for stepper in steppers:
            for group in stepper.param_groups:
                base = group.setdefault("base", group["lr"])
                group["lr"] = base * schedule(step, options.steps)
        value = loss(model, *collate(next(stream), tokenizer.pad_token_id))
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        average += float(value.detach())
        if (step + 1) % options.report == 0:
            scores = "  ".join(f"{accuracy(model, tokenizer, probe[f]):11.3f}" for f in FAMILIES)
            seconds = time.monotonic() - began
            print(
                f"{step + 1:5d} {seconds:7.0f} {average / options.report:6.3f} {scores}", flush=True
            )
            average = 0.0
            save(model, tokenizer, options.output)
    save(model, tokenizer, options.output)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write a copy in bfloat16; training goes on in float32."""
    state = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(state)
    copy.save_pretrained(output)
    tokenizer.save_pretrained(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens in a batch")
    parser.add_argument("--layers", type=int, default=8, help="blocks")
    parser.add_argument("--width", type=int, default=192, help="hidden size")
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate of Muon")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--report", type=int, default=100, help="steps between lines of the curve")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
