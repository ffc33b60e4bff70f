"""The names of an adapter's files."""

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
CARD_FILE = "lora-chat.json"
TEMPLATE_FILE = "chat_template.jinja"
README_FILE = "README.md"
REPORT_FILE = "report.html"  # quotes the data, so it moves with nothing
REPORT_IN = "report.{language}.html"  # the same in a language that whoever trained did not read
PICKLED_FILE = "adapter_model.bin"  # older PEFT's
PEFT_FILES = (CONFIG_FILE, WEIGHTS_FILE)  # what is hashed: the adapter itself
SERVED_FILES = (*PEFT_FILES, TEMPLATE_FILE, CARD_FILE)
FILES = (*SERVED_FILES, README_FILE)  # what moves with it
