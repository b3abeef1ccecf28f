"""Writes until something gives way."""


def main():
    with open(os.environ["AUTORESEARCH_RUN_DIR"] + "/big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
