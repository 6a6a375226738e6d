"""Proof that an emitted bundle computes what the Keras model computed.

Four steps that exchange files in one folder, so that each may run in a confined process of its own:

    prepare    the source file and the bundle's manifest -> a canonical model, its weights, input cases
    (numpy) reference  the canonical model -> what Keras computes, in float64 and float32
    (TensorFlow) candidate  the bundle -> what the emitted module computes
    (torch) compare    both -> a ParityReport
    (numpy)
"""
