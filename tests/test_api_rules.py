"""The rewriting of the API's old forms: what becomes of each, and what stays as it is."""

from __future__ import annotations

import ast
import contextlib
import io
import textwrap
import warnings
from pathlib import Path

import pytest

from hand_detection import pypi
from hand_detection.api import compat, install, rules, source
from hand_detection.paths import BUILD


def rewritten(text: str) -> str:
    """`text` after all rules; what comes out compiles, and no rule finds more in it."""
    text = textwrap.dedent(text)

    def once(text: str) -> str:
        for rule in rules.RULES:
            text, _ = rule.apply(text)
        return text

    result = once(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ast.parse(result)
    assert [rule.name for rule in rules.RULES if rule.apply(result)[1]] == []
    assert once(result) == result
    return result


def hits(text: str) -> dict[str, int]:
    """How often each rule hits."""
    counts = {rule.name: rule.apply(text)[1] for rule in rules.RULES}
    return {name: count for name, count in counts.items() if count}


REWRITTEN = {
    # TensorFlow 1
    "import tensorflow as tf": "import tensorflow.compat.v1 as tf",
    "if a:\n  import tensorflow as tf": "if a:\n  import tensorflow.compat.v1 as tf",
    "h = self._mask_height / a.shape[1].value": "h = self._mask_height // a.shape[1].value",
    # what the API's own tests use
    "for a, b in itertools.izip(\n    c, d):\n  pass": "for a, b in zip(\n    c, d):\n  pass",
    "import mock": "from unittest import mock",
    "if a:\n  import mock  # why": "if a:\n  from unittest import mock  # why",
    # print: the three statements that keep the pinned tree from importing, first
    "print 'Scores and tpfp per class label: {}'.format(class_index)": (
        "print('Scores and tpfp per class label: {}'.format(class_index))"
    ),
    "print tp_fp_labels": "print(tp_fp_labels)",
    "print scores\nx = 1": "print(scores)\nx = 1",
    "print num_classes, num_anchors": "print(num_classes, num_anchors)",
    "print 'a'; print b": "print('a'); print(b)",
    "if a: print b": "if a: print(b)",
    "def f():\n  if a:\n    print b\n  else: print c": (
        "def f():\n  if a:\n    print(b)\n  else: print(c)"
    ),
    "print a  # why": "print(a)  # why",
    "print f(a,  # why\n        b)": "print(f(a,  # why\n        b))",
    "print 'a # b', c": "print('a # b', c)",
    "print '(', a": "print('(', a)",
    "print a + \\\n    b": "print(a + \\\n    b)",
    "print \\\n    'a'": "print('a')",
    'print """Missing arguments. \\n\n   Usage: x <in>\n   labels_file"""\nreturned = 1': (
        'print("""Missing arguments. \\n\n   Usage: x <in>\n   labels_file""")\nreturned = 1'
    ),
    "print": "print()",
    "print a,": "print(a, end=' ')",
    "print a, b,": "print(a, b, end=' ')",
    "print >>sys.stderr, a, b": "print(a, b, file=sys.stderr)",
    "print >> f(a, b), 'x' % (1, 2)": "print('x' % (1, 2), file=f(a, b))",
    "print >>f": "print(file=f)",
    "print >>f, a,": "print(a, end=' ', file=f)",
    "print (a), b": "print((a), b)",
    "print ('%d of %d') % (a, b)": "print(('%d of %d') % (a, b))",
    "print -a": "print(-a)",
    "print [a for a in b]": "print([a for a in b])",
    "print a == b": "print(a == b)",
    # dict methods
    "for k, v in d.iteritems():\n  pass": "for k, v in d.items():\n  pass",
    "t = [x for x in losses_dict.itervalues()]": "t = [x for x in losses_dict.values()]",
    "k = d.iterkeys()": "k = list(d.keys())",
    "image_features = image_features[image_features.keys()[0]]": (
        "image_features = image_features[list(image_features.keys())[0]]"
    ),
    "a = scope.values()[0]": "a = list(scope.values())[0]",
    "a = self.boxes.data.keys()[0]": "a = list(self.boxes.data.keys())[0]",
    "for k in d.keys()[:2]:\n  pass": "for k in list(d.keys())[:2]:\n  pass",
    "a = d['x'].keys()": "a = list(d['x'].keys())",
    "a = f(b, c)(d).values()": "a = list(f(b, c)(d).values())",
    "a = d[e.keys()[0]].values()": "a = list(d[list(e.keys())[0]].values())",
    "def f():\n  return feature_maps.values()": "def f():\n  return list(feature_maps.values())",
    "m = metrics(\n    eval_config,\n    category_index.values(),\n    eval_dict)": (
        "m = metrics(\n    eval_config,\n    list(category_index.values()),\n    eval_dict)"
    ),
    "f('#', d.keys())": "f('#', list(d.keys()))",
    "n = ','.join(outputs.keys() + names)": "n = ','.join(list(outputs.keys()) + names)",
    # iterators that were lists
    "m = OrderedDict(\n    reversed(zip(output_feature_map_keys, output_feature_maps_list)))": (
        "m = OrderedDict(\n    reversed(list(zip(output_feature_map_keys, "
        "output_feature_maps_list))))"
    ),
    "reversed(zip(f(a), [')']))": "reversed(list(zip(f(a), [')'])))",
    "anchor_strides = zip(c.height_stride,\n                     c.width_stride)": (
        "anchor_strides = list(zip(c.height_stride,\n                     c.width_stride))"
    ),
    "warmup_steps = range(b[0])\nb = warmup_steps + b": (
        "warmup_steps = list(range(b[0]))\nb = warmup_steps + b"
    ),
    "def f():\n  return map(g, a)": "def f():\n  return list(map(g, a))",
    "n = len(filter(None, a))": "n = len(list(filter(None, a)))",
    "f(range(3) + [7])": "f(list(range(3)) + [7])",
    "f([7] + range(3))": "f([7] + list(range(3)))",
    "f(zip(a, b)[0])": "f(list(zip(a, b))[0])",
    "for i in xrange(3):\n  pass": "for i in range(3):\n  pass",
    # unicode
    "a = unicode(b)": "a = str(b)",
    "a = unicode(b, 'utf-8')": "a = str(b, 'utf-8')",
    "if isinstance(a, unicode):\n  pass": "if isinstance(a, str):\n  pass",
    "a = isinstance(b, unicode) and c": "a = isinstance(b, str) and c",
    "assert isinstance(a, (str, unicode))": "assert isinstance(a, (str, str))",
    "assert isinstance(a, basestring)": "assert isinstance(a, str)",
    # comparisons
    "a = b is 'Gather'": "a = b == 'Gather'",
    "a = b[0] is not 'Gather'": "a = b[0] != 'Gather'",
    "a = b is not u'x' and c is 0": "a = b != u'x' and c == 0",
    # NumPy
    "a = np.array(b, np.float)": "a = np.array(b, float)",
    "a.astype(np.bool) + np.int(b)": "a.astype(bool) + int(b)",
    "a = np.zeros(3, dtype=np.object)": "a = np.zeros(3, dtype=object)",
    "a = np.array(['x'], dtype=np.string_)": "a = np.array(['x'], dtype=np.bytes_)",
    "a = [np.NAN, np.NaN, np.Inf, np.PINF]": "a = [np.nan, np.nan, np.inf, np.inf]",
    "a = np.fromstring(b, dtype=np.uint8)": "a = np.frombuffer(b, dtype=np.uint8)",
    # matplotlib, Pillow, inspect
    "ax = fig.add_subplot('111')": "ax = fig.add_subplot(111)",
    "w, h = font.getsize(text)": "w, h = font.getbbox(text)[2:]",
    "a = image.resize(b, Image.ANTIALIAS)": "a = image.resize(b, Image.LANCZOS)",
    "a = inspect.getargspec(f).args": "a = inspect.getfullargspec(f).args",
}

UNTOUCHED = (
    "import tensorflow.compat.v1 as tf",
    "from tensorflow.python.ops import array_ops",
    "print(x)",
    "print (x)",
    "print('a', b)",
    "print()",
    "if a: print(b)",
    "print(a,\n      b)",
    "print(a)  # print b",
    "pprint.pprint(a)",
    "blueprint = a",
    "self.print_out(a)",
    "f(\n    print,\n    a)",
    "from __future__ import print_function\nprint('a', file=b)",
    "for k, v in six.iteritems(d):\n  pass",
    "for v in six.itervalues(d):\n  pass",
    "from six.moves import xrange",
    "from six.moves import xrange  # pylint: disable=redefined-builtin",
    "from six.moves import range, zip",
    "for k in d.keys():\n  pass",
    "if k in d.keys():\n  pass",
    "for k, v in d.items():\n  pass",
    "a = list(d.keys())",
    "a = sorted(d.items())",
    "a = set(d.keys()) | set(e.keys())",
    "a = max(d.values())",
    "defaults.update(hparams.values())",
    "class A:\n  def keys(self):\n    return 1",
    "for a, b in zip(c, d):\n  pass",
    "a = [i for i in range(3)]",
    "a = dict(zip(b, c))",
    "a = tf.range(3)",
    "a = tf.map(b) + np.zip(c)",
    "for i in reversed(range(3)):\n  pass",
    "a = b == range(3)",
    "f(tf.where(a, range(n), b))",  # TensorFlow takes a range
    "a = six.text_type(b)",
    "a = lxml.tostring(b, unicode=True)",
    "a = b is None",
    "a = b is not None",
    "a = b is c",
    "a = np.float32(1) + np.int64(2)",
    "a = np.bool_(b)",
    "a = np.object_",
    "a = np.str_",
    "a = np.frombuffer(b)",
    "a = tf.float",
    "fig.add_subplot(111)",
    "fig.add_subplot(1, 1, 1)",
    "# print x; xrange(3); np.float; d.iteritems(); reversed(zip(a, b))",
    "a = 'print x; xrange(3); np.float; d.iteritems()[0]'",
    "a = 'it\\'s np.int'  # and np.bool",
    '"""The prediction is "diffused", not \'x\'.\n\nimport tensorflow as tf\n\nprint a\n"""',
    "a = r'\\d np.float'",
    "a = 'x' 'print y'\nb = \"\"\"d.keys()[0] 'np.int' \"\"\"",
)


@pytest.mark.parametrize("old", REWRITTEN)
def test_an_old_form_is_rewritten(old):
    assert rewritten(old) == REWRITTEN[old]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_fine_is_left_alone(text):
    assert rewritten(text) == text
    assert hits(text) == {}


def test_canvas_bytes_are_the_same_picture():
    """The replacement of tostring_rgb gives height x width x RGB bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot

    fig = pyplot.figure(figsize=(1, 1), dpi=20)
    fig.set_facecolor((1, 0, 0))
    fig.canvas.draw()
    text = rewritten("image = np.fromstring(fig.canvas.tostring_rgb(), dtype='uint8')")
    names = {"np": np, "fig": fig}
    exec(text, names)
    assert names["image"].reshape(20, 20, 3)[5, 5].tolist() == [255, 0, 0]


def test_rewritten_prints_print_what_they_printed():
    text = rewritten(
        """
        import sys
        print 'a', 1
        print >>sys.stderr, 'to stderr'
        print 'b',
        print 'c'
        print
        print ('%d') % 3; print 4
        """
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        exec(text, {})
    assert (out.getvalue(), err.getvalue()) == ("a 1\nb c\n\n3\n4\n", "to stderr\n")


def test_places_are_counted():
    text = "print a; print b\nx = np.float\ny = d.keys()[0]\n"
    assert hits(text) == {"print statement": 2, "NumPy aliases": 1, "kept dict view": 1}


def test_a_module_that_no_rule_can_read_is_passed_on_unharmed():
    """Whatever is wrong with it, it is for the compiler to say."""
    for text in ("x = `y`\n", "print (a\n", "x = reversed(zip(a\n", "x = '''never closed\n"):
        for rule in rules.RULES:
            rule.apply(text)


def test_rewrite_goes_through_a_tree_and_says_where_it_hit(tmp_path: Path):
    old, fine = tmp_path / "a" / "old.py", tmp_path / "fine.py"
    old.parent.mkdir()
    old.write_text("x = u'\u00e9'\nprint x\n", encoding="utf-8")
    fine.write_text("print(1)\n")
    (tmp_path / "notes.txt").write_text("print x\n")
    before = fine.stat().st_mtime_ns
    assert rules.leftovers(tmp_path) == ["a/old.py: print statement"]

    found = {hit.rule: hit for hit in rules.rewrite(tmp_path)}
    assert (found["print statement"].places, found["print statement"].files) == (1, ("a/old.py",))
    assert found["xrange"].places == 0
    assert old.read_text(encoding="utf-8") == "x = u'\u00e9'\nprint(x)\n"
    assert (tmp_path / "notes.txt").read_text() == "print x\n"
    assert fine.stat().st_mtime_ns == before
    assert rules.leftovers(tmp_path) == []


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """PyPI's copy of the API as it comes."""
    wheel = pypi.fetch(
        source.WHEEL_REQUIREMENT, source.WHEEL_NAME, source.WHEEL_SHA256, BUILD / "downloads"
    )
    research = tmp_path_factory.mktemp("wheel") / "research"
    source.unpack_wheel(wheel, research)
    return research


def test_the_registrys_tree_is_hit_as_recorded_and_compiles_without_a_warning(unpacked):
    found = {hit.rule: hit.places for hit in rules.rewrite(unpacked) if hit.places}
    assert found == install.REGISTRY_HITS
    assert rules.leftovers(unpacked) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for module in unpacked.rglob("*.py"):
            compile(module.read_text(encoding="utf-8"), str(module), "exec")


def test_strings_in_the_registrys_tree_are_kept(unpacked):
    """Rewriting a docstring is harmless, and shows a rule that does not know where it is."""
    losses = (unpacked / "object_detection" / "core" / "losses.py").read_text(encoding="utf-8")
    assert 'the prediction is "diffused"' in losses


# What the rules are for: the installed API, doing what it could not do unported.


@pytest.fixture(scope="module")
def tf():
    return compat.activate()


def test_a_grid_with_strides_of_its_own_builds(tf):
    """`anchor_strides = zip(..)` was no list, and so refused."""
    from google.protobuf import text_format
    from object_detection.builders import anchor_generator_builder
    from object_detection.protos import anchor_generator_pb2

    config = text_format.Parse(
        """
        ssd_anchor_generator {
          num_layers: 2 aspect_ratios: 1.0 reduce_boxes_in_lowest_layer: false
          height_stride: [16, 32] width_stride: [16, 32]
          height_offset: [8, 16] width_offset: [8, 16]
        }
        """,
        anchor_generator_pb2.AnchorGenerator(),
    )
    with tf.Graph().as_default(), tf.Session() as session:
        boxes = anchor_generator_builder.build(config).generate([(2, 2), (1, 1)])
        corners = session.run([box.get() for box in boxes])
    assert [len(layer) for layer in corners] == [8, 2]  # with the interpolated scale


def test_a_learning_rate_warms_up_and_steps_down(tf):
    """`range(..) + boundaries`, and a range handed to tf.where."""
    from object_detection.utils import learning_schedules

    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = learning_schedules.manual_stepping(step, [2, 4], [0.1, 0.3, 0.5], warmup=True)
        rates = [round(float(session.run(rate, {step: n})), 3) for n in range(6)]
    assert rates == [0.1, 0.2, 0.3, 0.3, 0.5, 0.5]


def test_plots_and_labels_are_drawn(tf):
    """Through matplotlib's canvas and Pillow's fonts."""
    import numpy as np
    from object_detection.utils import visualization_utils

    with tf.Graph().as_default(), tf.Session() as session:
        visualization_utils.add_cdf_image_summary(tf.constant([0.1, 0.5, 0.9]), "cdf")
        visualization_utils.add_hist_image_summary(tf.constant([0.1, 0.5]), [0.0, 0.5, 1.0], "h")
        for summary in tf.get_collection(tf.GraphKeys.SUMMARIES):
            value = tf.Summary.FromString(session.run(summary)).value[0]
            assert value.image.width > 100 < value.image.height

    picture = np.zeros((60, 80, 3), np.uint8)
    visualization_utils.draw_bounding_box_on_image_array(
        picture, 30, 10, 50, 60, color="red", display_str_list=["hand: 99%"],
        use_normalized_coordinates=False,
    )  # fmt: skip
    assert (picture == (255, 0, 0)).all(-1).sum() > 150
    assert (picture[10:30] == (255, 0, 0)).all(-1).any()  # the label above the box


def test_the_metrics_take_labels_of_either_type(tf):
    """np.float and np.bool in utils/metrics.py."""
    import numpy as np
    from object_detection.utils import metrics

    scores = np.array([0.9, 0.8, 0.7])
    for labels in (np.array([True, False, True]), np.array([1.0, 0.0, 1.0])):
        precision, recall = metrics.compute_precision_recall(scores, labels, num_gt=2)
        assert precision.round(3).tolist() == [1.0, 0.5, 0.667]
        assert recall.tolist() == [0.5, 0.5, 1.0]
