// Words of the page that the page of `inkwash play` does not have.
import { LANGUAGES } from "./words.js";

const MORE_EN = {
  aloneFooter: "The model and all that computes are inside this file; nothing is sent, and it works offline.", preparing: "Unpacking the model …", failed: "The model could not be started: {reason}",
  counted: "Image {i} of {n}, step {step} of {steps}.", finished: "{n} images in {seconds} s.", ended0: "Stopped.", whichImage: "Image",
  savePng: "Save PNG", saidBy: "The same images by inkwash:",
  fillText: "Draw with a pointer, or load a picture; paint a hole with the brush “hole”. The model fills the hole, and leaves the rest as it is.",
  fillHole: "Fill the hole", passes: "Passes (RePaint; 1 is replacement)", filled: "{n} answers in {seconds} s.", aboutFile: "{recipe} · {steps} · sha256 {digest}", differs: "largest difference from inkwash {value}",
};
const MORE_ZH = {
  aloneFooter: "模型和全部计算都在这个文件里；不发送任何数据，断网也能用。", preparing: "正在解开模型……", failed: "模型无法启动：{reason}",
  counted: "第 {i} 张，共 {n} 张；第 {step} 步，共 {steps} 步。", finished: "{seconds} 秒生成 {n} 张。", ended0: "已停止。", whichImage: "第几张",
  savePng: "保存 PNG", saidBy: "用 inkwash 生成同样的图像：",
  fillText: "用鼠标或手指画，或者载入一张图，再用“缺口”画笔涂出缺口。模型只补全缺口，其余部分保持不变。",
  fillHole: "补全缺口", passes: "遍数（RePaint；1 即直接替换）", filled: "{seconds} 秒得到 {n} 个答案。", aboutFile: "{recipe} · {steps} · sha256 {digest}", differs: "与 inkwash 的最大差异 {value}",
};
Object.assign(LANGUAGES.en, MORE_EN);
Object.assign(LANGUAGES.zh, MORE_ZH);
