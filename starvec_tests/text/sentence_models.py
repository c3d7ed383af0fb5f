"""Tiny sentence models with random weights, as sentence-transformers saves them."""

from pathlib import Path
from typing import Any

TEXTS = ["a fast web server", "web server", "", "neural network training in python with many more words", "python"]


def save_sentence_model(architecture: Any, config: Any, pooling_mode: str, padding_side: str, folder: Path) -> Path:
    """Make a model of the words of TEXTS and return the folder that it is saved in."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<unk>", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", padding_side=padding_side, model_max_length=64
    )
    torch.manual_seed(0)
    architecture(config).save_pretrained(folder / "base")
    fast.save_pretrained(folder / "base")
    transformer = models.Transformer(str(folder / "base"))
    pooling = models.Pooling(config.hidden_size, pooling_mode=pooling_mode)
    modules = [transformer, pooling, models.Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "whole"))
    return folder / "whole"
