"""Quantization-aware fine-tuning: a twin of a network that computes as its int8 file will, trained a little more by kvision's own engine.

`qat.finetune(subject, folder)` gives a subject whose graph holds FakeQuant ops on activations, with the trained ranges, and weights that lie on
their int8 grids. `tflite.convert.convert(tuned, ..., trained_ranges=True)` makes int8 files of it; the converter then takes no representative data:
it reads the ranges from the graph and finds the weights' own scales again. Other formats are to be made of the original subject.
"""
