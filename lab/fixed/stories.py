"""The track `stories`: generated text whose exact entropy is known.

Every random choice can be read off the text. So -log2 of the product of the choices' probabilities
is the exact information of a story, and no model can do better on average.
"""

import math
import re

from fixed.files import fingerprint

SEED, TRAIN_BYTES, VAL_BYTES = 20_260_301, 10_000_000, 400_000


WORDS = {
    "name": (
        "Ada Ben Cleo Dora Emil Finn Greta Hugo Ines Jonas Kira Leo Mona Nils Olga Paul Rosa "
        "Sven Tara Uma Viktor Wanda Yara Zeno Alba Boris Celia Denis Edda Fritz Gino Hanna Igor "
        "Jutta Karl Lotte Milan Nora Otto Petra Ruth Simon Theo Ulla Vera Willi Ximena Yusuf"
    ),
    "animal": (
        "fox badger heron otter hedgehog raven marten weasel toad sparrow lynx beaver stork "
        "mole goose hamster newt falcon donkey goat rabbit squirrel owl bear wolf deer moose "
        "swan cricket turtle lizard salmon pony crane magpie ferret seal bison gecko finch"
    ),
    "trait": (
        "brave gentle clever lazy proud curious patient hungry noisy honest stubborn cheerful "
        "careful clumsy polite sleepy generous nervous quick silent loyal greedy modest merry "
        "grumpy wise timid bold playful serious dreamy restless tidy witty kind humble"
    ),
    "place": (
        "forest harbour orchard mill meadow valley castle market lighthouse cave bakery garden "
        "river bridge tower village quarry island workshop library stable cellar attic hill "
        "swamp desert canyon shore temple field pond railway station barn ruin glacier"
    ),
    "thing": (
        "lantern kettle basket hammer compass mirror blanket ladder violin hat coin map rope "
        "candle bucket feather drum key spoon bell whistle barrel needle scarf kite anchor boot "
        "ribbon clock saddle pillow shovel bottle wheel button book ring broom pan sack"
    ),
    "adjective": (
        "old golden broken tiny heavy wooden shiny dusty round crooked silver painted hollow "
        "narrow enormous borrowed forgotten rusty striped soft bright cracked empty warm muddy "
        "precious plain carved strange cheap smooth torn polished secret purple faded"
    ),
    "verb": (
        "carried hid painted repaired dropped washed sold found buried borrowed polished lost "
        "measured wrapped kicked guarded studied tested praised shook cleaned admired traded "
        "weighed counted stole lifted emptied opened followed dragged drew bent hung tied "
        "sniffed"
    ),
    "adverb": (
        "quietly proudly slowly twice carefully gladly secretly badly suddenly often politely "
        "bravely loudly calmly eagerly kindly neatly rarely warmly wisely awkwardly happily "
        "sadly firmly gently blindly boldly briskly coldly deeply dimly fairly freely"
    ),
    "time": (
        "morning evening winter spring midnight noon Sunday Monday Friday autumn summer dawn "
        "dusk weekend holiday harvest"
    ),
    "weather": "rain snow fog thunder sunshine hail wind frost drizzle heat mist sleet",
    "feeling": (
        "happy sad angry tired surprised ashamed afraid grateful jealous lonely calm bored "
        "excited relieved puzzled hopeful"
    ),
    "food": (
        "bread soup honey cheese plums cake porridge apples pie nuts beans stew berries "
        "pancakes pears butter radishes noodles"
    ),
}
# {word} is drawn; {hero}, {friend}, {home}, {treasure} were drawn once a story and cost nothing
# again; {who} is hero or friend.
SENTENCES = (
    "{who} {verb} {name}'s {adjective} {thing} {adverb} behind the {place}.",
    "One {time} the {weather} came over {place}, {place2} and {place3}; {who} felt {feeling}.",
    '"Give {name} the {treasure}," said the {trait} {animal}; {who} {verb} it {adverb}.',
    "{who} walked {adverb} from {home} to the {place} with a {adjective} {thing} and {food}.",
    "{name} and {name2} ate {food}, {food2} and {food3} near the {adjective} {place} until {time}.",
    '"Why is {name}\'s {thing} so {adjective}?" asked {who} the {animal} of the {place}.',
    "The {trait} {animal} and a {trait2} {animal2} {verb} the {treasure} {adverb}.",
    "{hero} counted {n} {adjective} {thing}s, {friend} counted {m}, so they had {sum}.",
    "Every {time} {name} {verb} {thing}, {thing2} or {thing3} for {hero} and {friend}.",
    "In {name}'s {place} lived a {trait} {animal} who {adverb} {verb} every {adjective} {thing}.",
    "{who} was {feeling}: {name} the {animal} had {adverb} {verb} the {treasure}.",
    "No {weather} stops {who}: {name}'s {adjective} {thing} is worth more than {food}.",
    "Nobody in {home} had {verb} such {adjective} {thing}s, not even {name} the {trait} {animal}.",
    "Then {who} became {feeling} and {adverb} {verb} {name}'s {adjective} {thing}.",
    "Beyond the {place} they met {name}, a {trait} {animal} with {adjective} {thing}s.",
    "At {time} {hero} gave {friend} {name}'s {adjective} {thing} for {adjective2} {food}.",
)
SENTENCE_WEIGHTS = (9, 7, 7, 6, 6, 5, 5, 5, 4, 4, 4, 4, 3, 3, 3, 3)
ZIPF = [720_720 // (rank + 24) for rank in range(64)]  # the weight of a list's word by its place


class Dice:
    """Random choices from integers alone (splitmix64): the same on every machine and Python.

    `bits` is the information of the choices so far."""

    MASK = 2**64 - 1

    def __init__(self, seed):
        self.state, self.bits = seed & self.MASK, 0.0

    def below(self, total):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return ((z ^ (z >> 31)) * total) >> 64

    def choose(self, options, weights):
        total = sum(weights[: len(options)])
        ticket = self.below(total)
        for option, weight in zip(options, weights, strict=False):  # weights may go on
            ticket -= weight
            if ticket < 0:
                self.bits -= math.log2(weight / total)
                return option


WORDS = {kind: words.split() for kind, words in WORDS.items()}
EVEN = [1] * 64


def tell_story(dice):
    """One story; its information is added to dice.bits.

    The number of sentences is announced, so that the end of a story costs no bits."""
    sentences = 4 + dice.choose(range(6), EVEN)
    hero = dice.choose(WORDS["name"], EVEN)
    friend = dice.choose([name for name in WORDS["name"] if name != hero], EVEN)
    known = {"hero": hero, "friend": friend}
    for key, kind in (
        ("trait", "trait"),
        ("animal", "animal"),
        ("home", "place"),
        ("adjective", "adjective"),
    ):
        known[key] = dice.choose(WORDS[kind], ZIPF)
    thing = dice.choose(WORDS["thing"], ZIPF)
    known |= {"home": f"the old {known['home']}", "treasure": f"{thing} of {friend}"}
    text = [
        f"{sentences} lines about {hero}, the {known['trait']} {known['animal']} "
        f"of {known['home']}, "
        f"{friend}, and a {known['adjective']} {thing}."
    ]
    text += [tell_sentence(dice, known, hero, friend) for _ in range(sentences)]
    return "\n".join(text) + "\n"


def tell_sentence(dice, known, hero, friend):
    template = dice.choose(SENTENCES, SENTENCE_WEIGHTS)
    said = {}

    def word(match):
        slot = match[1]
        if slot in ("hero", "friend", "home", "treasure"):
            return known[slot]
        if slot == "who":
            return dice.choose((hero, friend), (3, 2))
        if slot in ("n", "m"):
            said[slot] = dice.choose(range(2, 50), EVEN)
            return str(said[slot])
        if slot == "sum":
            return str(said["n"] + said["m"])
        return dice.choose(WORDS[slot.rstrip("23")], ZIPF)

    return re.sub(r"\{(\w+)\}", word, template)


class Stories:
    eval_tokens = None
    fingerprint = ("stories", SEED, TRAIN_BYTES, VAL_BYTES)

    def documents(self, split):
        for text, _ in self.tell(split):
            yield text

    def tell(self, split, wanted=None):
        """(text, its information in bits) until the split is full. Every story has its own dice.

        A split of another name than train and val is one nobody has seen, of `wanted` bytes."""
        size, number, sizes = 0, 0, {"train": TRAIN_BYTES, "val": VAL_BYTES}
        while size < (wanted or sizes[split]):
            dice = Dice(int(fingerprint(["story", SEED, split, number])[:16], 16))
            text = tell_story(dice)
            size, number = size + len(text), number + 1
            yield text, dice.bits

    def entropy_bpb(self):
        bits, size = 0.0, 0
        for text, information in self.tell("val"):
            bits, size = bits + information, size + len(text.encode())
        return bits / size
