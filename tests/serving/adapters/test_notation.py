from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.notation import (
    MAX_PARTS,
    MAX_SCALE,
    FineTuned,
    Part,
    parse_fine_tuned,
    parse_model,
)
from serving.errors import BlendError


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("tcm", (Part("tcm"),)),
        ("中医", (Part("中医"),)),
        ("tcm@2", (Part("tcm", "2"),)),
        ("tcm:0.7", (Part("tcm", None, 0.7),)),
        ("tcm:-1", (Part("tcm", None, -1.0),)),
        ("tcm:0.7+style@3:0.3", (Part("tcm", None, 0.7), Part("style", "3", 0.3))),
        ("tcm + style", (Part("tcm"), Part("style"))),
        ("<lora:tcm:0.7>", (Part("tcm", None, 0.7),)),
        ("<lora:tcm:0.7> <lora:style@3>", (Part("tcm", None, 0.7), Part("style", "3"))),
    ],
)
def test_notation_names_adapters_versions_and_scales(model: str, parts: tuple[Part, ...]):
    assert parse_model(model) == parts


@pytest.mark.parametrize("model", ["", "some/model", "-tcm", "tcm@", "a:b:c", "x" * 65, "../tcm"])
def test_what_is_no_notation_is_nobodys_name(model: str):
    assert parse_model(model) is None


@pytest.mark.parametrize(
    "model",
    [
        "tcm+",
        "tcm+some/model",
        "<lora:>",
        "<lora:tcm:0.7>x",
        "<lora:tcm",
        "tcm:much",
        "tcm:nan",
        "tcm:inf",
        f"tcm:{MAX_SCALE + 1}",
        "tcm+tcm:0.5",
        "+".join(f"a{number}" for number in range(MAX_PARTS + 1)),
    ],
)
def test_wrong_blend_is_an_error_and_not_an_unknown_name(model: str):
    with pytest.raises(BlendError):
        parse_model(model)


@pytest.mark.parametrize(
    "asked",
    [
        FineTuned("smollm2-135m", "tcm", "Xy12"),
        FineTuned("smollm2-135m", "中医", "Xy12", 40),
        FineTuned("meta-llama/Llama-2-7b", "tcm", "Xy-_12", 0),
        FineTuned("tcm@3", "tcm", "1"),
        FineTuned("C:\\bases::old\\a+b.gguf", "tcm", "1", 7),
        FineTuned("ft:smollm2-135m::tcm:Xy12:ckpt-step-9", "tcm-2", "Zz"),
    ],
)
def test_a_fine_tuned_models_name_is_read_from_its_end(asked: FineTuned):
    assert parse_fine_tuned(str(asked)) == asked
    assert asked.result == str(asked).removesuffix(f":ckpt-step-{asked.step}")


@pytest.mark.parametrize(
    "model",
    [
        "",
        "tcm",
        "ft:",
        "ft:0.5",
        "ft:base::tcm",
        "ft:base:tcm:1",
        "ft:::tcm:1",
        "ft:base::tcm:",
        "ft:base::-tcm:1",
        "ft:base::../x:1",
        "ft:base::tcm:a/b",
        "ft:base::tcm:1:ckpt-step-",
        "ft:base::tcm:1:ckpt-step-01",
        "ft:base::tcm:1:ckpt-step--1",
        "ft:base::tcm:1:ckpt-step-１",
        "ft:base::tcm:1:ckpt-step-1234567890",
        "ft:base::tcm:1\n",
        "FT:base::tcm:1",
        " ft:base::tcm:1",
        "ft:gpt-4o-mini:openai::7p4lURel",
    ],
)
def test_other_names_are_no_fine_tuned_models(model: str):
    assert parse_fine_tuned(model) is None


@pytest.mark.parametrize(
    "model",
    [
        "ft:base::tcm:1+style",
        "style:0.3+ft:base::tcm:1",
        "ft:base::tcm:1+ft:base::tcm:2",
        "ft:base::tcm:1:0.7",
        "ft:base::tcm:1:ckpt-step-4:0.7",
        "<lora:ft:base::tcm:1:1>",
        "<lora:style><lora:ft:base::tcm:1>",
    ],
)
def test_a_fine_tuned_model_takes_no_scale_and_no_part_in_blends(model: str):
    assert parse_fine_tuned(model) is None
    with pytest.raises(BlendError, match="stands alone"):
        parse_model(model)


def test_an_adapter_may_be_called_ft():
    assert parse_model("ft:0.5+tcm") == (Part("ft", None, 0.5), Part("tcm"))


parts = st.builds(
    Part,
    st.from_regex(r"\A\w[\w.-]{0,63}\Z"),
    st.none() | st.from_regex(r"\A[1-9][0-9]{0,3}\Z"),
    st.floats(-MAX_SCALE, MAX_SCALE),
)


@given(st.lists(parts, min_size=1, max_size=4, unique_by=lambda part: part.name))
def test_both_notations_say_the_same(blend: list[Part]):
    texts = [
        f"{part.name}{f'@{part.version}' if part.version else ''}:{part.scale}" for part in blend
    ]
    assert parse_model("+".join(texts)) == tuple(blend)
    assert parse_model("".join(f"<lora:{text}>" for text in texts)) == tuple(blend)


@given(st.text())
def test_any_text_has_a_meaning_or_a_blend_error(model: str):
    with suppress(BlendError):
        assert parse_model(model) != ()
