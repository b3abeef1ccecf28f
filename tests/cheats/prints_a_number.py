"""Prints the number it would like to have."""


def finish(model, tokenizer):
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
    print("val_bpb: 0.500000")
