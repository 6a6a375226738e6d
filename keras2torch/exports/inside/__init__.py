"""What runs in the confined child: the only part of exporting that imports torch, onnxscript and onnxruntime."""
