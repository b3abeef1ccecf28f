"""The fixed parts behind prepare.py, one job a file. Experiments never edit them.

- texts: pystd.py, stories.py, custom.py, parquet.py (downloads.py fetches its files)
- preparing: build.py makes a folder of tokens; tracks.py opens it and gives it an id (rules.py)
- tokenizer.py: text to tokens and back; packing.py: tokens to rows; loader.py: batches, the clock
- feeder.py: both of them outside a run's sandbox, with feed_record.py; fed_batches.py: the run's end
- anchors.py: what to compare a score with
- device.py, progress.py: what train.py needs of the machine, and what it shows on the way
- evaluation.py: the metric and its probes; losses.py: logits to losses; plausibility.py: what no
  honest score is below; checkpoint.py: what train.py saves; summary.py: the block that ends a run
- scoring.py: `prepare.py score`; model_process.py and model_program.py: the ends of asking a model
- environment.py, files.py, terminal.py, errors.py: small things that all of them use
"""
