"""Every word that stories are made of. Each one is a single token once BPE has been trained on the stories."""

MEN = (
    "Tom Ben Sam Max Leo Jack Paul Adam Noah Luke Mark Fred Carl Hugo Otto Ivan Omar Theo Finn Erik Dan Joe Ned Pete"
).split()
WOMEN = (
    "Anna Mary Lucy Emma Rose Jane Ella Nina Sara Lily Kate Amy "
    "Mia Zoe Eva Ruth Clara Nora Ida Olga Tina Vera Lena Joan"
).split()
PEOPLE = MEN + WOMEN

PLACES = "park market river garden school station library beach harbor museum".split()
MOODS = "tired hungry happy sad angry cold thirsty lonely".split()
THINGS = "drum kite ball lamp doll book coat boat cup hat bell vase clock flute mirror basket".split()
TRADES = "baker doctor farmer teacher painter singer driver judge nurse miller tailor hunter sailor pilot".split()

ANIMALS = "dog cat horse cow fox sheep goat pig rabbit donkey goose hen bear wolf deer camel".split()
WAYS = "road street bridge river field path hill forest tunnel lake meadow swamp valley beach canyon desert".split()
ANIMAL_CUES = "tired hungry sleepy scared thirsty lazy sick nervous shy old".split()
WAY_CUES = "wide muddy icy flooded narrow slippery steep dusty foggy rocky".split()

OPENERS = ["One day", "Yesterday", "Last week", "This morning", "In spring", "After lunch"]
FILLERS = [
    "The sun was warm.",
    "We all ate some cake.",
    "The birds were singing.",
    "Nobody was in a hurry.",
    "Soon the rain stopped.",
    "There was music everywhere.",
]
