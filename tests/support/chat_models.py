"""Tiny models of families that chat: their templates in the public shape, and a next token that the last one decides.

What they write is known without running them: "Words.", the end of the turn, and after it "xyzxyz" for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WITH_DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    + CHATML
)
LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
QWEN_3 = (
    "{%- for message in messages %}{%- if message.role == 'assistant' %}{%- set content = message.content %}"
    "{%- set reasoning_content = '' %}{%- if '</think>' in content %}"
    "{%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}"
    "{%- if loop.last or reasoning_content %}{{- '<|im_start|>' + message.role + '\n<think>\n' + "
    "reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}{%- else %}"
    "{{- '<|im_start|>' + message.role + '\n' + content }}{%- endif %}{{- '<|im_end|>\n' }}{%- else %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and "
    "enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
GEMMA_2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
GEMMA_3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}"
    "{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = '' -%}"
    "{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}"
    "{%- if (message['role'] == 'assistant') -%}{%- set role = 'model' -%}{%- else -%}{%- set role = message['role'] -%}"
    "{%- endif -%}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}"
)
PHI_3 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token}}{% endif %}{% endfor %}"
)
R1 = (
    "{{bos_token}}{%- for message in messages %}{%- if message['role'] == 'user' %}{{'<|User|>' + message['content']}}"
    "{%- endif %}{%- if message['role'] == 'assistant' %}{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + eos_token}}{%- endif %}"
    "{%- endfor -%}{% if add_generation_prompt %}{{'<|Assistant|><think>\n'}}{% endif %}"
)
SMOL_VLM = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}"
    "{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}"
    "{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
LLAMA_3_2 = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}'
    "{%- endif %}{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}"
    '{%- set messages = messages[1:] %}{%- else %}{%- set system_message = "" %}{%- endif %}'
    '{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}{{- "Cutting Knowledge Date: December 2023\\n" }}'
    '{{- "Today Date: " + date_string + "\\n\\n" }}{{- system_message }}{{- "<|eot_id|>" }}'
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if message['content'] is string %}{{- message['content'] | trim }}{%- else %}{%- for content in "
    "message['content'] %}{%- if content['type'] == 'text' %}{{- content['text'] | trim }}{%- endif %}{%- endfor %}"
    "{%- endif %}{{- '<|eot_id|>' }}{%- endfor %}{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
GPT_OSS = (
    "{%- for message in messages %}{%- if message.role == 'assistant' %}{%- if loop.last and not add_generation_prompt %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|return|>' }}{%- else %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{%- endif %}{%- else %}"
    "{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)


@dataclass(frozen=True)
class Family:
    """How a family chats."""

    template: str
    eos: str
    """The tokenizer's."""
    control: tuple[str, ...]
    """Control tokens beside EOS and BOS."""
    turn: tuple[str, str]
    """What is taught around a summary: from the generation prompt to it, and from it to the end."""
    end: str
    """The token at which an assistant's turn ends."""
    bos: str | None = None
    stops: tuple[str, ...] = ()
    """eos_token_id of generation_config.json; none of it where EOS alone ends."""
    pieces: bool = False
    """Whether white space is a letter of words (SentencePiece), and not bytes."""
    takes_system: bool = True
    in_parts: bool = False
    """Whether the template reads what is said in parts alone."""
    day: Mapping[str, str] = field(default_factory=dict)
    """The template's own variable of the day, as prompt.day is by default."""


IM = ("<|im_start|>", "<|im_end|>")
TURN = ("<start_of_turn>", "<end_of_turn>")
FAMILIES = {
    "llama_3": Family(LLAMA_3, "<|end_of_text|>", ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
                      ("", "<|eot_id|>"), "<|eot_id|>", "<|begin_of_text|>", ("<|end_of_text|>", "<|eot_id|>")),
    "qwen_2_5": Family(WITH_DEFAULT_SYSTEM, "<|im_end|>", ("<|endoftext|>", *IM[:1]), ("", "<|im_end|>\n"),
                       "<|im_end|>", None, ("<|im_end|>", "<|endoftext|>")),
    "qwen_3": Family(QWEN_3, "<|im_end|>", ("<|endoftext|>", *IM[:1]), ("<think>\n\n</think>\n\n", "<|im_end|>\n"),
                     "<|im_end|>", None, ("<|im_end|>", "<|endoftext|>")),
    "gemma_2": Family(GEMMA_2, "<eos>", TURN, ("", "<end_of_turn>\n"), "<end_of_turn>", "<bos>", pieces=True,
                      takes_system=False),
    "gemma_3": Family(GEMMA_3, "<eos>", TURN, ("", "<end_of_turn>\n"), "<end_of_turn>", "<bos>",
                      ("<eos>", "<end_of_turn>"), pieces=True),
    "phi_3": Family(PHI_3, "<|endoftext|>", ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
                    ("", "<|end|>\n<|endoftext|>"), "<|end|>", "<s>", ("<|endoftext|>",), pieces=True),
    "mistral": Family(MISTRAL, "</s>", (), (" ", "</s>"), "</s>", "<s>", pieces=True, takes_system=False),
    "smollm": Family(CHATML, "<|im_end|>", ("<|endoftext|>", *IM[:1]), ("", "<|im_end|>\n"), "<|im_end|>",
                     "<|im_start|>"),
    "smollm_2": Family(WITH_DEFAULT_SYSTEM, "<|im_end|>", ("<|endoftext|>", *IM[:1]), ("", "<|im_end|>\n"),
                       "<|im_end|>", "<|im_start|>"),
    "r1": Family(R1, "<eos>", ("<|User|>", "<|Assistant|>"), ("\n</think>\n\n", "<eos>"), "<eos>", "<bos>",
                 takes_system=False),
    "smol_vlm": Family(SMOL_VLM, "<end_of_utterance>", ("<|im_start|>", "<image>"), (" ", "<end_of_utterance>\n"),
                       "<end_of_utterance>", in_parts=True),
    "llama_3_2": Family(LLAMA_3_2, "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
                        ("", "<|eot_id|>"), "<|eot_id|>", "<|begin_of_text|>", ("<|end_of_text|>", "<|eot_id|>"), day={"date_string": "26 Jul 2024"}),
    "gpt_oss": Family(GPT_OSS, "<|return|>", ("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|call|>"),
                      ("<|channel|>final<|message|>", "<|return|>"), "<|return|>", "<|startoftext|>",
                      ("<|return|>", "<|call|>")),
}  # fmt: skip
"""The first nine are what their makers published, but for tools and pictures; the others are of the same shape."""


def chat_model(
    folder: Path, family: Family, said: Sequence[str] = tuple("Words."), start: str = "\n", end: str | None = None
) -> Path:
    """Saves a model into `folder` that writes `said`, a token each, and ends its turn; returns the folder.

    Args:
        said: what follows one another; no token stands in it twice.
        start: the prompt's last token.
        end: the token that follows; the family's end of turn where none is given.
    """
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = chat_tokenizer(folder, family)
    size = len(tokenizer)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=(size + 31) // 32 * 32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    chain = [start, *said, end or family.end, "x", "y", "z", "x"]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        model.model.embed_tokens.weight.copy_(torch.eye(size, config.hidden_size))
        for last, following in pairwise(chain):
            model.lm_head.weight[id_of(tokenizer, following), id_of(tokenizer, last)] = 1.0
    model.save_pretrained(folder)
    stops = [tokenizer.convert_tokens_to_ids(stop) for stop in family.stops] or tokenizer.eos_token_id
    GenerationConfig(eos_token_id=stops, pad_token_id=tokenizer.eos_token_id).save_pretrained(folder)
    return folder


def id_of(tokenizer, token: str) -> int:
    """A token's id, by its own name or as it is written."""
    known = tokenizer.get_vocab()
    return known[token] if token in known else tokenizer.encode(token, add_special_tokens=False)[-1]


def chat_tokenizer(folder: Path, family: Family):
    """The family's tokenizer, saved into `folder`: of bytes, or with white space as letters of words."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token="<unk>" if family.pieces else None))
    if family.pieces:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        backend.decoder = decoders.Metaspace(prepend_scheme="first")
        alphabet = [chr(code) for code in range(32, 127)] + ["\n", "\u2581"]
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    control = list(dict.fromkeys([family.eos, *family.control, *([family.bos] if family.bos else [])]))
    control += ["<unk>"] if family.pieces else []
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + len(control), special_tokens=control, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["Words."], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=family.eos,
        pad_token=family.eos,
        bos_token=family.bos,
        unk_token="<unk>" if family.pieces else None,
        additional_special_tokens=[token for token in control if token not in (family.eos, family.bos, "<unk>")],
        chat_template=family.template,
    )
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in ("<think>", "</think>")])
    if "bos_token" in family.template:
        bos = (family.bos, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[bos]
        )
    tokenizer.save_pretrained(folder)
    return tokenizer
