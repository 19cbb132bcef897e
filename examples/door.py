"""Train, evaluate, cost, freeze and export a digits network from Python.

python examples/door.py
"""

import bitspike

run = bitspike.train("digits-convnet", "bits=2/2/1", "epochs=5", name="door")
print(run.evaluate())
total = run.cost().total
print(f"{total.size_bytes:,.0f} bytes, {total.s_ace:,} bit operations and {total.spikes:,.0f} spikes per image")
frozen = bitspike.freeze(run, "door.bitspike", images=100)
print(f"{frozen.comparison.agreement.same_class} of 100 classes are the same in integers")
print(bitspike.evaluate(frozen.net))
print(*bitspike.export(frozen.net, "c", "firmware", name="door").files)
