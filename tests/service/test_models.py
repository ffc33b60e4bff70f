from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.adapters.card import SamplingDefaults
from finetune.adapters.versions import find_version, promote, share
from service.errors import InvalidRequest
from service.models import Models
from serving.errors import BlendError, ModelNotFound

OTHER_TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
Add = Callable[..., Path]


def test_base_has_no_adapters(models_here: Models):
    model = models_here.resolve("base")
    assert (model.blend, model.system) == ((), None)


def test_adapters_own_template_is_used_and_shared(models_here: Models, add_adapter: Add):
    add_adapter("tcm", template=OTHER_TEMPLATE)
    add_adapter("style", template=OTHER_TEMPLATE)
    add_adapter("plain")
    tcm, style = models_here.resolve("tcm"), models_here.resolve("style")
    assert tcm.renderer.template == OTHER_TEMPLATE
    assert tcm.renderer is style.renderer
    assert models_here.resolve("plain").renderer is models_here.resolve("base").renderer


def test_blend_of_different_templates_is_refused(models_here: Models, add_adapter: Add):
    add_adapter("tcm", template=OTHER_TEMPLATE)
    add_adapter("style")
    with pytest.raises(BlendError, match="different chat templates"):
        models_here.resolve("tcm+style")
    with pytest.raises(BlendError, match="different chat templates"):
        models_here.find_entries("tcm+style")


def test_template_equal_to_the_bases_can_be_blended(models_here: Models, add_adapter: Add):
    add_adapter("tcm", template=models_here.resolve("base").renderer.template)
    add_adapter("style")
    assert len(models_here.resolve("tcm+style").blend) == 2


def test_blend_takes_the_system_prompt_and_sampling_that_all_agree_on(
    models_here: Models, add_adapter: Add
):
    cold, warm = SamplingDefaults(temperature=0.1), SamplingDefaults(temperature=0.9)
    add_adapter("a", system="Same.", sampling=cold)
    add_adapter("b", system="Same.", sampling=warm)
    add_adapter("c", system="Other.", sampling=cold)
    same_system = models_here.resolve("a+b")
    assert (same_system.system, same_system.sampling) == ("Same.", SamplingDefaults())
    same_sampling = models_here.resolve("a+c")
    assert (same_sampling.system, same_sampling.sampling) == (None, cold)


def test_adapter_in_both_places_is_refused(models_here: Models, add_adapter: Add):
    add_adapter("tcm")
    with pytest.raises(InvalidRequest, match="not in both"):
        models_here.resolve("tcm", [("tcm", 1.0)])


def test_unknown_adapter_in_the_lora_field_is_not_found(models_here: Models):
    with pytest.raises(ModelNotFound):
        models_here.resolve("base", [("nobody", 1.0)])


def test_running_request_keeps_its_version(models_here: Models, add_adapter: Add):
    add_adapter("tcm", "1")
    before = models_here.resolve("tcm")
    add_adapter("tcm", "2")
    assert before.pinned == "tcm@1:1"
    assert models_here.resolve("tcm").pinned == "tcm@2:1"


def test_disclaimers_of_a_blend_are_all_told_once(models_here: Models, add_adapter: Add):
    add_adapter("a", disclaimer="仅供参考。")
    add_adapter("b", disclaimer="Ask a doctor.")
    add_adapter("c", disclaimer="仅供参考。")
    add_adapter("d")
    assert models_here.resolve("a+b+c+d").disclaimer == "仅供参考。\nAsk a doctor."
    assert models_here.resolve("d").disclaimer is None


def test_a_version_answers_its_share_of_the_conversations(models_here: Models, add_adapter: Add):
    add_adapter("tcm")
    folder = add_adapter("tcm", "2")
    adapters = folder.parent.parent
    promote(adapters, "tcm", "1")
    share(adapters, find_version(adapters, "tcm@2"), 30)
    said = [f"question {number}" for number in range(300)]
    pinned = [models_here.resolve("tcm", said=each).pinned for each in said]
    assert set(pinned) == {"tcm@1:1", "tcm@2:1"}
    assert 50 < pinned.count("tcm@2:1") < 130
    assert pinned == [models_here.resolve("tcm:latest", said=each).pinned for each in said]
    for model in ("tcm@1", "tcm:1", "<lora:tcm:1>"):  # what says more than the name
        assert {models_here.resolve(model, said=each).pinned for each in said} == {"tcm@1:1"}
    assert models_here.resolve("tcm").pinned == "tcm@1:1"  # no conversation
    (folder / "adapter_model.safetensors").write_bytes(b"damaged")
    assert {models_here.resolve("tcm", said=each).pinned for each in said} == {"tcm@1:1"}
