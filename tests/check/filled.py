"""The hand-outs with their blanks filled in: right, or with a mistake planted."""

from pathlib import Path

# ruff: noqa: E501

HANDOUTS = Path(__file__).parents[2] / "examples" / "handouts"

# for each hand-out the code of its blanks, by what stands before the `...`, in the order of the page
ANSWERS = {
    "scheduler.py": [
        ("self.beta", "torch.linspace(beta_min, beta_max, n_steps)"),
        ("self.alpha", "1 - self.beta"),
        ("self.alpha_bar", "self.alpha.cumprod(0)"),
        ("x_t", "at(self.alpha_bar, t).sqrt() * x0 + (1 - at(self.alpha_bar, t)).sqrt() * eps"),
        ("v", "at(self.alpha_bar, t).sqrt() * eps - (1 - at(self.alpha_bar, t)).sqrt() * x0"),
        ("abar_t", "self.alpha_bar[t]"),
        ("abar_s", "self.alpha_bar[t_prev] if t_prev >= 0 else torch.tensor(1.0)"),
        ("x0", "(x - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()"),
        ("sigma", "(eta * (1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)).sqrt()"),
        ("x_s", "abar_s.sqrt() * x0 + (1 - abar_s - sigma**2).sqrt() * eps + sigma * torch.randn_like(x)"),
    ],
    "gaussian_diffusion.py": [
        ("self.alphas_cumprod", "self.alphas.cumprod(0)"),
        ("return", "2 * img - 1"),
        ("return", "(img + 1) / 2"),
        ("x_t", "extract(self.alphas_cumprod, t, x_start.shape).sqrt() * x_start"
                " + (1 - extract(self.alphas_cumprod, t, x_start.shape)).sqrt() * noise"),
        ("x_start", "(x_t - (1 - extract(self.alphas_cumprod, t, x_t.shape)).sqrt() * noise)"
                    " / extract(self.alphas_cumprod, t, x_t.shape).sqrt()"),
        ("noise", "(x_t - extract(self.alphas_cumprod, t, x_t.shape).sqrt() * x_start)"
                  " / (1 - extract(self.alphas_cumprod, t, x_t.shape)).sqrt()"),
        ("before", "torch.where(t.view(-1, 1, 1, 1) > 0, extract(self.alphas_cumprod, (t - 1).clamp(min=0), x_t.shape), 1)"),
        ("mean", "before.sqrt() * beta / (1 - abar) * x_start + (1 - beta).sqrt() * (1 - before) / (1 - abar) * x_t"),
        ("std", "((1 - before) / (1 - abar) * beta).sqrt()"),
        ("loss", "(self.model(self.q_sample(x_start, t, noise), t, model_kwargs) - noise).square().mean()"),
        ("x_start", "self.predict_start_from_noise(x_t, times, self.model(x_t, times, model_kwargs)).clamp(-1, 1)"),
        ("x_before", "mean + std * torch.randn_like(x_t) if t > 0 else mean"),
    ],
    "unet.py": [
        ("with_text", 'self(x, time, {"text_emb": text_emb})'),
        ("without", 'self(x, time, {"text_emb": None})'),
        ("return", "(1 + w) * with_text - w * without"),
    ],
    "ddpm.py": [
        ("self.betas", "torch.linspace(min_beta, max_beta, n_steps)"),
        ("self.alphas", "1 - self.betas"),
        ("self.alpha_bars", "self.alphas.cumprod(0)"),
        ("x_t", "self.alpha_bars[t].sqrt().view(-1, 1, 1, 1) * x0 + (1 - self.alpha_bars[t]).sqrt().view(-1, 1, 1, 1) * eps"),
        ("mean", "(x - self.betas[t] / (1 - self.alpha_bars[t]).sqrt() * eps) / self.alphas[t].sqrt()"),
        ("x_before", "mean + self.betas[t].sqrt() * torch.randn_like(x) if t > 0 else mean"),
    ],
    "flow.py": [
        ("x_t", "(1 - t.view(-1, 1, 1, 1)) * x0 + t.view(-1, 1, 1, 1) * x1"),
        ("u", "x1 - x0"),
        ("loss", "(model(interpolate(x0, x1, t), t) - flow_velocity(x0, x1)).square().mean()"),
        ("x_next", "x + dt * model(x, t)"),
        ("guided", "uncond + scale * (cond - uncond)"),
        ("drift", "-0.5 * beta * (x + score)"),
    ],
}  # fmt: skip


def filled(name: str, *edits: tuple[str, str]) -> str:
    """The page with all its blanks filled in; each edit replaces text that must be there."""
    text = (HANDOUTS / name).read_text(encoding="utf-8")
    lines, answers = text.splitlines(), iter(ANSWERS[name])
    for i, line in enumerate(lines):
        before, dots, _ = line.partition("...")
        if dots and before.strip() and "`" not in before:
            left, answer = next(answers)
            assert before.strip().removesuffix("=").strip() == left, line
            lines[i] = before + answer
    assert next(answers, None) is None
    page = "\n".join(lines) + "\n"
    for old, new in edits:
        assert old in page, old
        page = page.replace(old, new)
    return page
