// Every sentence of the page, in English and Chinese. {name} is filled in.
const EN = {
  skip: "Skip to the pictures", model: "Model", panels: "Panels", draw: "Draw", explain: "Explain", compare: "Compare", paint: "Paint",
  training: "Training", settings: "What to draw", label: "Class", text: "Prompt", n: "Images", seed: "Seed", dice: "Another seed",
  go: "Draw", stop: "Stop", sampler: "Sampler", solver: "Solver", steps: "Steps", spacing: "Spacing", eta: "Noise η", scale: "Guidance",
  x: "what is being denoised", x0: "the network’s guess of the image", eps: "the noise that it sees", playback: "Play the walk",
  pause: "Pause", moment: "Step of the walk", save: "Save", copy: "Copy", command: "command", link: "link",
  footer: "Everything is computed on this machine; nothing leaves it.", every: "each in turn", none: "any",
  ready: "Choose a class and press Draw.", readyPlain: "Press Draw.", waiting: "{place} before you; about {seconds} s.", drawing: "Step {step} of {steps}.",
  done: "{n} images in {seconds} s: {steps} steps, {evaluations} evaluations of the network each, {fps} steps a second.",
  stopped: "Stopped.", where: "step {step} of {steps} · α {alpha} · σ {sigma}", copied: "Copied.", saved: "Saved as {name}; `inkwash replay` draws the same pixels again.",
  away: "The server does not answer. This page tries again every two seconds.", back: "The server is back.", busy: "The server is full; it asks to try again in {seconds} s.",
  token: "This server wants a token: open the address that `inkwash play` printed, which ends in #token=….",
  images: "{what}: {n} images at step {step} of {steps}", first: "Draw something first; then this panel shows each of its steps.", drawNow: "Draw now",
  formula: "One step, with its numbers", formulaText: "The network looks at x<t> and guesses the finished image x̂₀. The solver keeps part of x<t>, adds part of x̂₀, and adds new noise z if η is above 0.",
  formula2: "This solver is of order {order}: the x̂₀ of a step is a mixture of several guesses, so the sum of the pictures is not exact.",
  last: "The last step takes the guess itself: x = x̂₀.", end: "The walk has ended. Move the slider back to see a step.", fresh: "new noise",
  told: "What the network is told", predicts: "What it answers", t: "time t", logsnr: "log SNR", share: "signal : noise",
  curve: "The schedule", curveText: "α is how much of the image is left, σ how much noise there is. Dots are the steps of this walk; the red line is now.",
  noisier: "noise", cleaner: "image", forward: "The way forward: your drawing becomes noise", forwardText: "Draw in the first square. Training shows the network pictures like the last one and asks for what was hidden.",
  yours: "your drawing x₀", noise: "noise ε", mixed: "x = α·x₀ + σ·ε", amount: "Noise level", clear: "Clear", take: "Take a drawn image", otherNoise: "Other noise",
  solvers: "Samplers side by side, from the same noise", solversText: "Class, seed, number, steps and guidance are those of the Draw panel. All columns begin with the same noise.",
  runCompare: "Compare", evaluations: "{n} evaluations", spreadTheory: "spread in theory {value}", spreadMeasured: "measured {value}", spreadText: "Spread: standard deviation of the images as a multiple of the data’s; 1 is right. The theory is exact for Gaussian data and an exact network, without guidance. To compare them, choose “each in turn”, guidance 1 and many images: one class varies less than the whole data.",
  grid: "Steps × noise η", gridText: "One image for each pair, from the same noise, with the solver of the Draw panel if it has an η, else ddim.", runGrid: "Fill the grid",
  paintTitle: "Your picture", paintText: "Draw with a pointer, or load a picture. Then say what happened to it, and the model fills in what is missing.", load: "Load a picture", brush: "Brush", ink: "ink", eraser: "eraser", hole: "hole",
  task: "Task", inpaint: "fill the hole", downsample: "enlarge from 7×7", blur: "sharpen a blur", sdedit: "draw again from noise (SDEdit)", strength: "Strength", method: "Method", answers: "Answers", runPaint: "Restore",
  input: "what the model is given", mean: "mean", sd: "standard deviation (white: 1)", needPicture: "Draw something in the square first.", needHole: "Paint a hole first, with the brush “hole”.", restored: "{n} answers in {seconds} s.", labelShown: "It shows", unknown: "not said",
  sheets: "Pictures drawn from each checkpoint as it is saved, from the same noise; the first one stays.", watchTitle: "Training", watchNone: "No training is watched. Start the server with the folder of one: inkwash play runs/NAME", loss: "loss", heldOut: "held-out loss", speed: "images a second", left: "time left", stepOf: "step {step} of {steps}", step1: "step {step}", running: "training", ended: "not running", seen: "images seen",
  "about-ddpm": "Ancestral sampling: fresh noise at each step.", "about-ddim": "First order; η is the noise that it adds.", "about-ddim-lab": "ddim with the course lab’s η, which scales the variance.", "about-heun": "Second order, with two evaluations of the network a step.", "about-dpmpp2m": "Second order with one evaluation a step; η adds noise.",
  turn: "Draw again from this step", turnText: "with the solver, η and guidance that are chosen now; the first walk stays above.", turned: "From step {step} on: {words}",
  theoryOff: "no theory: the images that it was trained on are not here", measuredFew: "measured: draw 2 or more images",
};
const ZH = {
  skip: "跳到图像", model: "模型", panels: "面板", draw: "生成", explain: "讲解", compare: "对比", paint: "手绘",
  training: "训练", settings: "画什么", label: "类别", text: "提示词", n: "张数", seed: "随机种子", dice: "换一个种子",
  go: "开始生成", stop: "停止", sampler: "采样器", solver: "求解器", steps: "步数", spacing: "时间步间隔", eta: "噪声 η", scale: "引导强度",
  x: "正在去噪的图像", x0: "网络对原图的估计", eps: "网络看到的噪声", playback: "播放过程",
  pause: "暂停", moment: "采样的第几步", save: "保存", copy: "复制", command: "命令", link: "链接",
  footer: "所有计算都在本机完成，不向外发送任何数据。", every: "轮流各类", none: "不限",
  ready: "选一个类别，再点“开始生成”。", readyPlain: "点“开始生成”。", waiting: "前面还有 {place} 个请求，大约等 {seconds} 秒。", drawing: "第 {step} 步，共 {steps} 步。",
  done: "{seconds} 秒生成 {n} 张：{steps} 步，每张调用网络 {evaluations} 次，每秒 {fps} 步。",
  stopped: "已停止。", where: "第 {step} / {steps} 步 · α {alpha} · σ {sigma}", copied: "已复制。", saved: "已保存为 {name}；用 inkwash replay 可以重新画出完全相同的像素。",
  away: "服务器没有回应，本页每两秒重试一次。", back: "服务器已恢复。", busy: "服务器已满，请在 {seconds} 秒后再试。",
  token: "这个服务器需要令牌：请打开 inkwash play 输出的、以 #token=… 结尾的地址。",
  images: "{what}：{n} 张图，第 {step} / {steps} 步", first: "先生成一次，这里就会逐步讲解。", drawNow: "现在生成",
  formula: "一步的公式，代入这一步的数", formulaText: "网络看着 x<t>，估计出完整的图像 x̂₀。求解器保留一部分 x<t>，加上一部分 x̂₀；η 大于 0 时再加入新的噪声 z。",
  formula2: "这个求解器是 {order} 阶的：一步所用的 x̂₀ 由几次估计组合而成，所以图像相加只是近似。",
  last: "最后一步直接取估计值：x = x̂₀。", end: "采样已结束。把滑块往回拖，可以看其中任意一步。", fresh: "新噪声",
  told: "告诉网络的量", predicts: "网络的回答", t: "时间 t", logsnr: "对数信噪比", share: "信号 : 噪声",
  curve: "噪声调度", curveText: "α 表示图像还剩多少，σ 表示噪声有多大。圆点是这次采样经过的各步，红线是当前位置。",
  noisier: "噪声", cleaner: "图像", forward: "前向过程：你画的图变成噪声", forwardText: "在第一个方格里画。训练时，网络看到的就是最后一个方格这样的图，任务是说出被掩盖的内容。",
  yours: "你画的 x₀", noise: "噪声 ε", mixed: "x = α·x₀ + σ·ε", amount: "噪声大小", clear: "清空", take: "取一张生成的图", otherNoise: "换一份噪声",
  solvers: "从同一份噪声出发，并排比较采样器", solversText: "类别、种子、张数、步数和引导强度都用“生成”面板里的设置。各列的初始噪声相同。",
  runCompare: "开始对比", evaluations: "调用网络 {n} 次", spreadTheory: "离散程度：理论 {value}", spreadMeasured: "实测 {value}", spreadText: "离散程度：生成图像的标准差与数据标准差之比，1 为正确。理论值在数据为高斯分布、网络精确且无引导时严格成立。要与实测比较，请选“轮流各类”、引导强度 1，并多生成几张：单独一类的变化本来就比全部数据小。",
  grid: "步数 × 噪声 η", gridText: "每一格一张图，初始噪声相同；求解器沿用“生成”面板里的选择，若它没有 η 就用 ddim。", runGrid: "填满表格",
  paintTitle: "你的图", paintText: "用鼠标或手指画，或者载入一张图。再选它经历了什么，模型会补上缺失的部分。", load: "载入图片", brush: "画笔", ink: "墨", eraser: "橡皮", hole: "缺口",
  task: "任务", inpaint: "补全缺口", downsample: "由 7×7 放大", blur: "去除模糊", sdedit: "加噪后重画（SDEdit）", strength: "强度", method: "方法", answers: "答案数", runPaint: "开始复原",
  input: "交给模型的图", mean: "平均", sd: "标准差（白色为 1）", needPicture: "请先在方格里画点什么。", needHole: "请先用“缺口”画笔涂出缺口。", restored: "{seconds} 秒得到 {n} 个答案。", labelShown: "图中内容", unknown: "不说明",
  sheets: "每次保存检查点后，从同一份噪声生成的图像；第一张一直保留，便于比较。", watchTitle: "训练过程", watchNone: "没有可看的训练。启动时给出训练所在的文件夹即可：inkwash play runs/名称", loss: "训练损失", heldOut: "留出集损失", speed: "每秒图像数", left: "剩余时间", stepOf: "第 {step} / {steps} 步", step1: "第 {step} 步", running: "训练中", ended: "未在运行", seen: "已看图像",
  "about-ddpm": "祖先采样：每一步都加入新噪声。", "about-ddim": "一阶方法；η 决定加入多少噪声。", "about-ddim-lab": "ddim，但 η 按课程实验的约定缩放方差。", "about-heun": "二阶方法，每一步调用网络两次。", "about-dpmpp2m": "二阶方法，每一步只调用网络一次；η 决定加入多少噪声。",
  turn: "从这一步起重画", turnText: "使用现在选定的求解器、η 和引导强度；原来的过程保留在上方对照。", turned: "从第 {step} 步起：{words}",
  theoryOff: "无理论值：本机没有它的训练图像", measuredFew: "实测：至少生成 2 张",
};
export const LANGUAGES = { en: EN, zh: ZH };
let language = "en";
const listeners = [];

export function say(key, given = {}) {
  const text = LANGUAGES[language][key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(given[name]));
}

export const has = (key) => key in LANGUAGES[language];
export function current() { return language; }
export function onLanguage(listener) { listeners.push(listener); }

export function speak(wanted) {
  language = wanted in LANGUAGES ? wanted : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  translate(document);
  for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  for (const listener of listeners) listener();
}

export function translate(root) {
  for (const each of root.querySelectorAll("[data-t]")) each.textContent = say(each.dataset.t);
  for (const each of root.querySelectorAll("[data-t-label]")) each.setAttribute("aria-label", say(each.dataset.tLabel));
}
