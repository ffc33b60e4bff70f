from service.bench.prompts import OPENING, WORDS, Prompts


def test_prompts_are_the_seeds_own():
    assert Prompts(1).question(5, 60) == Prompts(1).question(5, 60)
    assert Prompts(1).question(5, 60) != Prompts(2).question(5, 60)
    assert Prompts(1).shared(60) == Prompts(1).shared(60)


def test_no_two_prompts_begin_alike():
    prompts = Prompts(0)
    openings = {tuple(prompts.question(i, 60).split()[:OPENING]) for i in range(10_000)}
    assert len(openings) == 10_000
    num_words = len(WORDS.split())
    assert len({prompts.question(i, 60).split()[0] for i in range(num_words)}) == num_words


def test_words_are_all_different():
    assert len(set(WORDS.split())) == len(WORDS.split())


def test_length_follows_what_is_asked():
    lengths = [len(Prompts(0).question(3, num_tokens).split()) for num_tokens in (10, 100, 1_000)]
    assert lengths == sorted(lengths)
    assert 500 < lengths[-1] <= 1_000
    assert Prompts(0).shared(0) == ""
