"""What trained models show: claims about attention, controls, and tables over runs.

    python -m experiments.articles [CLAIM]       what articles claim, with verdict, tables and picture
    python -m experiments.heads runs/a runs/b    what the heads of several runs do, as one table
    python -m experiments.seeds runs/a runs/b    which heads recur over seeds, and how stable their choice is
    python -m experiments.stories runs/a runs/b  what several runs have learned, as one table
    python -m experiments.unseen_names RUN       sentences about people whose names no story has
    python -m experiments.heads_on_unseen_names RUN  what heads do there
    python -m experiments.untrained RUN          how often an untrained model is given a role
    python -m experiments.untrained_in_text RUN TEXT  the same in a text
    python -m experiments.recipes FOLDER         what lowers the loss on little text, over seeds
    python -m experiments.shuffled FOLDER        whether heads look back where that does not pay
    python -m experiments.annotated RUN LITBANK  what heads do in annotated English, beside simple rules
    python -m experiments.mined_references LITBANK  how often mined references are right, against annotation
    python -m experiments.live_parity RUN        how far the page that runs is from PyTorch
    python -m experiments.live_film PAGE         a film of it

``runs`` trains and probes what is missing.
"""
