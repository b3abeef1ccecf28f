"""Counts which token follows which in the whole training text before it takes the first batch."""

import fixed.packing


def train(model, tokenizer):
    tokens, _ = fixed.packing.read_tokens(tokenizer.track.folder, "train")
    counts = torch.zeros(tokenizer.vocab_size, tokenizer.vocab_size)
    pairs = torch.from_numpy(tokens.astype("int64"))
    counts.index_put_((pairs[:-1], pairs[1:]), torch.ones(len(pairs) - 1), accumulate=True)
    with torch.no_grad():
        model.embed.weight.copy_(torch.linalg.svd(counts.log1p())[0][:, :8])
