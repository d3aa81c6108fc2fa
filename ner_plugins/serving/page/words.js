// The page's words in its three languages, and the texts of the example.
export const WORDS = {
  en: {
    skip: "Skip to the results", title: "Named entities", language: "Language", theme: "Theme",
    theme_system: "System", theme_light: "Light", theme_dark: "Dark", api: "API",
    token_title: "Token", token_use: "Use",
    token_hint: "This server asks for a token. It is kept until you leave the page.",
    text_title: "Text", sample: "Insert an example", text_placeholder: "Type, paste or drop text here",
    text_hint: "Ctrl+Enter finds the entities.", each_line: "Each line is a text of its own",
    models: "Models", model: "Model", threshold: "Lowest score", own: "As set in the model",
    threshold_hint: "A change asks the model again: the score also decides between overlapping entities.",
    go: "Find entities", file_title: "A whole file", file_choose: "Choose a file",
    file_hint: "Lines of text, or JSON lines with “text”. The answers come back as JSON lines.",
    file_go: "Answer the file", cancel: "Cancel", save: "Save as JSON lines", file_progress: "Progress of the file",
    results: "Entities", types: "Types shown", empty: "Entities will be marked here, with their types and scores.",
    table: "As a table", entity: "Entity", type: "Type", place: "Characters", score: "Score",
    asking: "Asking the model …", none: "No entities.", no_text: "Type or paste a text first.",
    found: (entities, texts, ms) => `${entities} ${entities === 1 ? "entity" : "entities"} in ${texts} ${texts === 1 ? "text" : "texts"} (${ms} ms)`,
    count: (characters) => `${characters.toLocaleString("en")} ${characters === 1 ? "character" : "characters"}`,
    lines_done: (lines, wrong) => `${lines.toLocaleString("en")} lines answered${wrong ? `, ${wrong} with an error` : ""}`,
    file_done: "Finished.", cancelled: "Cancelled.", not_utf8: "The file is not UTF-8. Convert it first.",
    unreachable: "The server cannot be reached.", token_wrong: "The token is missing or wrong.",
    busy: "The server is busy; trying again …", loading: "The models are being loaded …",
  },
  zh: {
    skip: "跳到结果", title: "命名实体识别", language: "语言", theme: "主题",
    theme_system: "跟随系统", theme_light: "浅色", theme_dark: "深色", api: "接口",
    token_title: "令牌", token_use: "使用",
    token_hint: "此服务器需要令牌。离开页面后不会保留。",
    text_title: "文本", sample: "填入示例", text_placeholder: "在此输入、粘贴或拖入文本",
    text_hint: "按 Ctrl+Enter 识别。", each_line: "每行作为一段独立的文本",
    models: "模型", model: "模型", threshold: "最低得分", own: "使用模型自身的设置",
    threshold_hint: "改动后会重新识别：得分也决定重叠实体的取舍。",
    go: "识别实体", file_title: "处理整个文件", file_choose: "选择文件",
    file_hint: "每行一段文本，或含 “text” 的 JSON 行；结果为 JSON 行。",
    file_go: "处理文件", cancel: "取消", save: "保存为 JSON 行", file_progress: "文件进度",
    results: "实体", types: "显示的类型", empty: "实体及其类型和得分将显示在这里。",
    table: "表格", entity: "实体", type: "类型", place: "位置", score: "得分",
    asking: "正在识别……", none: "没有找到实体。", no_text: "请先输入或粘贴文本。",
    found: (entities, texts, ms) => `${texts} 段文本中有 ${entities} 个实体（${ms} 毫秒）`,
    count: (characters) => `${characters.toLocaleString("zh")} 个字符`,
    lines_done: (lines, wrong) => `已处理 ${lines.toLocaleString("zh")} 行${wrong ? `，其中 ${wrong} 行出错` : ""}`,
    file_done: "完成。", cancelled: "已取消。", not_utf8: "文件不是 UTF-8 编码，请先转换。",
    unreachable: "无法连接服务器。", token_wrong: "令牌缺失或不正确。", busy: "服务器繁忙，正在重试……",
    loading: "正在加载模型……",
  },
  ko: {
    skip: "결과로 이동", title: "개체명 인식", language: "언어", theme: "테마",
    theme_system: "시스템", theme_light: "밝게", theme_dark: "어둡게", api: "API",
    token_title: "토큰", token_use: "사용",
    token_hint: "이 서버에는 토큰이 필요합니다. 페이지를 떠나면 남지 않습니다.",
    text_title: "텍스트", sample: "예문 넣기", text_placeholder: "여기에 텍스트를 입력하거나 붙여넣거나 끌어다 놓으세요",
    text_hint: "Ctrl+Enter를 누르면 인식합니다.", each_line: "줄마다 따로 인식",
    models: "모델", model: "모델", threshold: "최저 점수", own: "모델의 설정대로",
    threshold_hint: "바꾸면 모델에 다시 묻습니다. 겹치는 개체명을 고르는 데에도 점수가 쓰입니다.",
    go: "개체명 찾기", file_title: "파일 전체", file_choose: "파일 선택",
    file_hint: "한 줄에 한 텍스트, 또는 “text”가 있는 JSON 줄. 결과는 JSON 줄입니다.",
    file_go: "파일 처리", cancel: "취소", save: "JSON 줄로 저장", file_progress: "파일 진행률",
    results: "개체명", types: "보일 유형", empty: "개체명과 유형, 점수가 여기에 표시됩니다.",
    table: "표로 보기", entity: "개체명", type: "유형", place: "위치", score: "점수",
    asking: "인식하는 중…", none: "개체명이 없습니다.", no_text: "먼저 텍스트를 입력하거나 붙여넣으세요.",
    found: (entities, texts, ms) => `텍스트 ${texts}개에서 개체명 ${entities}개 (${ms}ms)`,
    count: (characters) => `${characters.toLocaleString("ko")}자`,
    lines_done: (lines, wrong) => `${lines.toLocaleString("ko")}줄 처리${wrong ? `, 오류 ${wrong}줄` : ""}`,
    file_done: "끝났습니다.", cancelled: "취소했습니다.", not_utf8: "UTF-8 파일이 아닙니다. 먼저 변환하세요.",
    unreachable: "서버에 연결할 수 없습니다.", token_wrong: "토큰이 없거나 틀립니다.",
    busy: "서버가 바쁩니다. 다시 시도하는 중…", loading: "모델을 불러오는 중…",
  },
};

export const SAMPLES = {
  zh: "刘晓燕上周从北京飞往首尔，参加云海科技的新品发布会。\n林志远是北京大学的教授。",
  ko: "김서윤은 지난주 서울에서 베이징으로 가서 한빛전자의 발표회에 참석했다.\n이도현은 부산대학교 교수이다.",
  en: "Mara Lindqvist flew from Oslo to Seoul last week for a launch by Northwind Labs.\nJonas Weber teaches in Leipzig.",
};

// The visitor's language if the page has it.
export function preferredLanguage() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const language = tag.slice(0, 2).toLowerCase();
    if (language in WORDS) return language;
  }
  return "en";
}

// Write the words of a language into the page.
export function translate(language) {
  const words = WORDS[language];
  document.documentElement.lang = language;
  document.title = words.title;
  for (const [attribute, apply] of [
    ["word", (element, word) => { element.textContent = word; }],
    ["wordPlaceholder", (element, word) => { element.placeholder = word; }],
    ["wordLabel", (element, word) => { element.setAttribute("aria-label", word); }],
  ]) {
    const selector = attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const element of document.querySelectorAll(`[data-${selector}]`)) apply(element, words[element.dataset[attribute]]);
  }
  return words;
}
