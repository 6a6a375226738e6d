"""`python -m keras2torch.sandbox FD MODULE...`: the server's process; only the client starts it."""

import sys

from keras2torch.sandbox.server import serve

serve(int(sys.argv[1]), sys.argv[2:])
