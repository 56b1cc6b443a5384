"""Writes state_dict.th as torch.save did before its zip files: a few tensors of a ResNet-20, with Python's own modules only."""
import collections, io, pickle, struct, sys, types

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")


class FloatStorage: pass
class LongStorage: pass
def _rebuild_tensor_v2(*_): pass


for module, thing in ((torch, FloatStorage), (torch, LongStorage), (utils, _rebuild_tensor_v2)):
    thing.__module__ = module.__name__
    thing.__qualname__ = thing.__name__
    setattr(module, thing.__name__, thing)
    sys.modules[module.__name__] = module


class Storage:
    def __init__(self, kind, key, code, values):
        self.kind, self.key, self.code, self.values = kind, key, code, values


class Tensor:
    def __init__(self, storage, shape): self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides = tuple(1 for _ in self.shape)
        return _rebuild_tensor_v2, (self.storage, 0, self.shape, strides, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            return "storage", thing.kind, thing.key, "cpu", len(thing.values), None


bias = Storage(FloatStorage, "1", "f", [i / 4 for i in range(10)])
gamma = Storage(FloatStorage, "2", "f", [1 + i / 8 for i in range(16)])
count = Storage(LongStorage, "3", "q", [7])
state = collections.OrderedDict([
    ("module.linear.bias", Tensor(bias, (10,))),
    ("module.bn1.weight", Tensor(gamma, (16,))),
    ("module.bn1.num_batches_tracked", Tensor(count, ())),
])
file = io.BytesIO()
for thing in (0x1950A86A20F9469CFC6C, 1001, dict(protocol_version=1001, little_endian=True, type_sizes=dict(short=2, int=4, long=4))):
    pickle.dump(thing, file, 2)
Pickler(file, 2).dump({"state_dict": state, "best_prec1": 92.6})
pickle.dump([s.key for s in (bias, gamma, count)], file, 2)
for s in (bias, gamma, count):
    file.write(struct.pack("<q", len(s.values)) + struct.pack(f"<{len(s.values)}{s.code}", *s.values))
open("state_dict.th", "wb").write(file.getvalue())
